// Users and groups from the text of passwd and group (passwd(5), group(5)): looked up, and extended
// with the caller, so that programs in the container know whose files they see.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense {

/// Of a passwd or group: a larger one counts as missing.
constexpr std::uint64_t kMaxAccounts = 4u << 20;

struct Account {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::string home, shell;
  bool operator==(const Account&) const = default;
};

std::optional<Account> find_account(std::string_view passwd, std::uint32_t uid);
std::optional<Account> find_account(std::string_view passwd, std::string_view name);
/// By the name, or the number that the text is.
std::optional<Account> find_user(std::string_view passwd, std::string_view text);
std::optional<std::uint32_t> find_group(std::string_view group, std::string_view name);
std::string group_name(std::string_view group, std::uint32_t gid);

/// The text with a line for the account; nullopt when it has one for that uid.
std::optional<std::string> passwd_with(std::string_view passwd, const Account& account);
/// The same for a group.
std::optional<std::string> group_with(std::string_view group, const std::string& name,
                                      std::uint32_t gid);

struct Identity {
  std::uint32_t uid = 0, gid = 0;
};

/// "name", "uid", "name:group", "uid:gid"; names by the image's files.
Result<Identity> resolve_user(std::string_view text, std::string_view passwd,
                              std::string_view group);
/// The groups that list the user of such a text as a member, as docker adds them: none where the
/// text names a group.
std::vector<std::uint32_t> further_groups(std::string_view text, std::string_view passwd,
                                          std::string_view group);

}  // namespace flense
