// Slurm's host lists: "gpu[001-003,010],login1" names five machines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::host {

/// Several brackets in one name multiply; leading zeros are kept. Bad input for brackets that do
/// not match, ranges that run backwards, and more than `most` names.
Result<std::vector<std::string>> expand_hostlist(std::string_view list, std::size_t most);

}  // namespace flense::host
