#include "needs/run_user.h"

#include <optional>

#include "base/accounts.h"
#include "base/ascii.h"
#include "base/numbers.h"
#include "base/path.h"

namespace flense::needs {

namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
  return all_digits(text) ? parse_number(text) : std::nullopt;
}

}  // namespace

RunUser run_user(const inventory::Survey& survey) {
  RunUser out;
  const std::string_view user = survey.image.config["config"]["User"].text();
  const std::size_t colon = user.find(':');
  const std::string_view who = user.substr(0, colon);
  const auto account =
      find_user(survey.text_at("etc/passwd"), who.empty() ? std::string_view("0") : who);
  if (account) {
    out.uid = account->uid;
    out.gid = account->gid;
    out.home = resolve_link_text("", account->home);
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

bool RunUser::may_create(const inventory::Survey& survey, std::string_view path) const {
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

}  // namespace flense::needs
