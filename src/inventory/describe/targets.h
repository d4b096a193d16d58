// --gpu words as device targets.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "device/target.h"

namespace flense::inventory {

/// "h100", "sm_90", "9.0", "gfx942", several with commas, several times; usage errors name the
/// word.
Result<device::Targets> parse_targets(const std::vector<std::string>& words);

}  // namespace flense::inventory
