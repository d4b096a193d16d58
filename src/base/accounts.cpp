#include "base/accounts.h"

#include <charconv>

#include "base/ascii.h"

namespace flense {

namespace {

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  // The largest value means "no change" to the system calls.
  if (value == UINT32_MAX) return std::nullopt;
  return value;
}

/// Calls fn(parts) for each line with at least `least` of them, until it returns true.
template <class Fn>
void each_line(std::string_view text, std::size_t least, Fn fn) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto parts = split(text.substr(0, end), ':');
    if (parts.size() >= least && fn(parts)) return;
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
}

template <class Match>
std::optional<Account> account_where(std::string_view passwd, Match match) {
  std::optional<Account> out;
  // As the C library reads it: the shell field may be missing.
  each_line(passwd, 6, [&](const std::vector<std::string_view>& parts) {
    const auto uid = number(parts[2]), gid = number(parts[3]);
    if (!uid || !gid || !match(parts[0], *uid)) return false;
    out = Account{std::string(parts[0]), *uid, *gid, std::string(parts[5]),
                  parts.size() > 6 ? std::string(parts[6]) : ""};
    return true;
  });
  return out;
}

std::string with_line(std::string_view text, const std::string& line) {
  std::string out(text);
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  return out + line + "\n";
}

/// A name or home that would end its field early, or make a line of its own, is left out.
std::string field(std::string_view text) {
  return text.find_first_of(std::string_view(":\n\0", 3)) == std::string_view::npos
             ? std::string(text)
             : std::string();
}

}  // namespace

std::optional<Account> find_account(std::string_view passwd, std::uint32_t uid) {
  return account_where(passwd, [&](std::string_view, std::uint32_t one) { return one == uid; });
}

std::optional<Account> find_account(std::string_view passwd, std::string_view name) {
  return account_where(passwd, [&](std::string_view one, std::uint32_t) { return one == name; });
}

std::optional<Account> find_user(std::string_view passwd, std::string_view text) {
  const auto uid = number(text);
  return uid ? find_account(passwd, *uid) : find_account(passwd, text);
}

std::optional<std::uint32_t> find_group(std::string_view group, std::string_view name) {
  std::optional<std::uint32_t> out;
  each_line(group, 3, [&](const std::vector<std::string_view>& parts) {
    if (parts[0] == name) out = number(parts[2]);
    return out.has_value();
  });
  return out;
}

std::string group_name(std::string_view group, std::uint32_t gid) {
  std::string out;
  each_line(group, 3, [&](const std::vector<std::string_view>& parts) {
    if (number(parts[2]) == gid) out = parts[0];
    return !out.empty();
  });
  return out;
}

std::optional<std::string> passwd_with(std::string_view passwd, const Account& account) {
  if (find_account(passwd, account.uid)) return std::nullopt;
  const std::string name = field(account.name);
  return with_line(
      passwd,
      fmt::format("{}:x:{}:{}::{}:{}", name.empty() ? fmt::format("u{}", account.uid) : name,
                  account.uid, account.gid, field(account.home), field(account.shell)));
}

std::optional<std::string> group_with(std::string_view group, const std::string& name,
                                      std::uint32_t gid) {
  if (!group_name(group, gid).empty()) return std::nullopt;
  const std::string word = field(name);
  return with_line(group,
                   fmt::format("{}:x:{}:", word.empty() ? fmt::format("g{}", gid) : word, gid));
}

Result<Identity> resolve_user(std::string_view text, std::string_view passwd,
                              std::string_view group) {
  const std::size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  Identity out;
  if (const auto known = find_user(passwd, user)) {
    out = {known->uid, known->gid};
  } else if (const auto uid = number(user)) {
    out.uid = *uid;
  } else {
    return fail(Code::kUsage, "the image has no user '{}'", user);
  }
  if (colon == std::string_view::npos) return out;
  const std::string_view word = text.substr(colon + 1);
  const auto gid = number(word) ? number(word) : find_group(group, word);
  if (!gid) return fail(Code::kUsage, "the image has no group '{}'", word);
  out.gid = *gid;
  return out;
}

std::vector<std::uint32_t> further_groups(std::string_view text, std::string_view passwd,
                                          std::string_view group) {
  constexpr std::size_t kMost = 65536;  // NGROUPS_MAX
  std::vector<std::uint32_t> out;
  if (text.find(':') != std::string_view::npos) return out;
  const auto account = find_user(passwd, text);
  if (!account) return out;
  each_line(group, 4, [&](const std::vector<std::string_view>& parts) {
    const auto gid = number(parts[2]);
    const bool member =
        fmt::format(",{},", parts[3]).find("," + account->name + ",") != std::string::npos;
    if (gid && member && *gid != account->gid) out.push_back(*gid);
    return out.size() == kMost;
  });
  return out;
}

}  // namespace flense
