// --gpu words as device targets.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "device/target.h"
#include "knowledge/gpus.h"

namespace flense::inventory {

/// "h100", "sm_90", "9.0", "gfx942", several with commas, several times; usage errors name the
/// word.
Result<device::Targets> parse_targets(const std::vector<std::string>& words,
                                      const knowledge::Gpus& gpus);

/// A sentence for each target that no row names.
std::vector<std::string> unknown_targets(const device::Targets& targets,
                                         const knowledge::Gpus& gpus);

}  // namespace flense::inventory
