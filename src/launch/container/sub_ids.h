// A range of ids for a container whose user is not the caller: the ids of /etc/subuid and
// /etc/subgid, mapped by newuidmap and newgidmap, since the kernel lets nobody map foreign ids.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/accounts.h"
#include "base/result.h"

namespace flense::launch {

struct IdRange {
  std::uint32_t start = 0, count = 0;
  bool operator==(const IdRange&) const = default;
};

/// The longest range of the account in the text of /etc/subuid or /etc/subgid (subuid(5)), by name
/// or number.
std::optional<IdRange> find_id_range(std::string_view text, const Account& account);

/// In the container 0 is the caller, and 1 and what follows are the ids of the range.
struct SubIds {
  IdRange uids, gids;
  std::string newuidmap, newgidmap;  ///< absolute
};

/// What this machine gives the caller; an environment error that says what is missing.
Result<SubIds> find_sub_ids(const Account& account);
/// An environment error when the range is too short for the user.
Result<void> check_in_range(const SubIds& ids, const Identity& user);

/// Calls `enter`, which makes a user namespace for this process, and has its ids mapped by a
/// process that stays outside it.
Result<void> enter_with_sub_ids(const SubIds& ids, const std::function<Result<void>()>& enter);

}  // namespace flense::launch
