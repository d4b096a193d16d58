// Limits of a process (setrlimit(2)) as docker's --ulimit names them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::launch {

struct ResourceLimit {
  std::string name;                  ///< "nofile"
  std::uint64_t soft = 0, hard = 0;  ///< UINT64_MAX: unlimited
  bool operator==(const ResourceLimit&) const = default;
};

/// "NAME=SOFT[:HARD]"; -1 and "unlimited" are no limit.
Result<ResourceLimit> parse_limit(std::string_view text);

struct ReachedLimits {
  std::vector<ResourceLimit> limits;
  std::vector<std::string> notices;  ///< where this process may go no further
};
/// Raises this process's hard limits to the wanted ones as far as the kernel lets it: in a user
/// namespace nobody can.
ReachedLimits reach_limits(const std::vector<ResourceLimit>& wanted);

}  // namespace flense::launch
