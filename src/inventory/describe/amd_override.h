// HSA_OVERRIDE_GFX_VERSION in the environment of an image: what AMD GPUs are made to pass for, for
// all of them or (with _0, _1, … at its end) for one. Code for that stays as well.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "device/prune.h"

namespace flense::inventory {

struct AmdOverride {
  std::vector<std::string> targets;  ///< "gfx1030"
  bool unclear = false;              ///< some value is not a version of a target
  std::string evidence;              ///< "HSA_OVERRIDE_GFX_VERSION=10.3.0"; empty: not set
};
AmdOverride amd_override(const std::map<std::string, std::string>& environment);

/// Adds it to the rules: the targets, or that all code for AMD stays. Without a target of AMD
/// nothing changes.
void honour(const AmdOverride& asked, device::PruneOptions& rules);

}  // namespace flense::inventory
