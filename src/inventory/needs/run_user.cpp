#include "inventory/needs/run_user.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/ascii.h"
#include "base/numbers.h"
#include "base/path.h"

namespace flense::inventory {

namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
  return all_digits(text) ? parse_number(text) : std::nullopt;
}

struct Account {
  std::uint64_t uid = 0, gid = 0;
  std::string home;
};

/// passwd(5): name:password:UID:GID:comment:directory:shell. `who` is a name or a number.
std::optional<Account> find_account(std::string_view passwd, std::string_view who) {
  while (!passwd.empty()) {
    const std::size_t end = std::min(passwd.find('\n'), passwd.size());
    std::string_view line = passwd.substr(0, end);
    passwd.remove_prefix(std::min(end + 1, passwd.size()));
    std::vector<std::string_view> fields;
    for (std::size_t colon = 0; colon != std::string_view::npos && fields.size() < 7;) {
      colon = line.find(':');
      fields.push_back(line.substr(0, colon));
      if (colon != std::string_view::npos) line.remove_prefix(colon + 1);
    }
    if (fields.size() < 6 || (fields[0] != who && fields[2] != who)) continue;
    const auto uid = number_of(fields[2]), gid = number_of(fields[3]);
    if (uid && gid) return Account{*uid, *gid, resolve_link_text("", fields[5])};
  }
  return std::nullopt;
}

}  // namespace

RunUser run_user(const Survey& survey) {
  RunUser out;
  const std::string_view user = survey.image.config["config"]["User"].text();
  const std::size_t colon = user.find(':');
  const std::string_view who = user.substr(0, colon);
  const auto account =
      find_account(survey.text_at("etc/passwd"), who.empty() ? std::string_view("0") : who);
  if (account) {
    out.uid = account->uid;
    out.gid = account->gid;
    out.home = account->home;
  } else if (const auto uid = number_of(who)) {
    out.uid = *uid;
  }
  if (colon != std::string_view::npos)
    if (const auto gid = number_of(user.substr(colon + 1))) out.gid = *gid;
  out.plain = out.uid != 0;
  if (const auto home = survey.environment.find("HOME"); home != survey.environment.end())
    out.home = resolve_link_text("", home->second);
  else if (!account && !out.plain)
    out.home = "root";
  return out;
}

bool RunUser::may_create(const Survey& survey, std::string_view path) const {
  if (!plain) return true;
  const image::MergedTree& tree = survey.contents.tree();
  std::optional<std::string> real;
  while (!(real = tree.resolve(path)) && !path.empty()) path = parent_path(path);
  if (!real) return false;
  const auto found = tree.find(*real);
  // A directory that no layer describes is made by the engine, for root.
  if (!found || !found->entry) return false;
  const image::LayerListing::Entry entry = tree.entry(*found->entry);
  constexpr std::uint32_t kOwner = 0200, kGroup = 0020, kOthers = 0002;
  if (entry.uid == uid) return (entry.mode & kOwner) != 0;
  if (entry.gid == gid) return (entry.mode & kGroup) != 0;
  return (entry.mode & kOthers) != 0;
}

}  // namespace flense::inventory
