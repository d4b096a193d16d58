// How a layer that slimming changes for several targets becomes two in each of the images: a part
// that is the same for all of them, and one with what each has for itself. Pure: plans in, parts
// out. Applied in this order, the two give the tree that the one slim layer gives:
//   - names of one content stay together, and so do files that become links and what they lead to;
//   - the own part repeats the directories above its members;
//   - whiteouts lie in the shared part, below the own one.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "inventory/scan/contents.h"
#include "slim/plan/plan.h"

namespace flense::slim {

enum class Part : std::uint8_t {
  kShared,
  kOwn,
  kBoth,  ///< a directory that the own part repeats: above its members, or the marker
};

struct VariantParts {
  bool own = false;         ///< something of the layer differs between the targets
  bool whole = false;       ///< nothing of it can be shared: the order of its members matters
  std::vector<Part> parts;  ///< by position of the member
  /// Paths that package lists name and that become different things, or go for some targets alone.
  std::set<std::string, std::less<>> own_paths;
};

/// One for each layer. `plans` are of one image, and differ by targets alone; where only one of
/// them touches a layer, what it does is shared as far as it does not come from the targets.
std::vector<VariantParts> part_for_variants(const inventory::Contents& contents,
                                            std::span<const Plan* const> plans);

}  // namespace flense::slim
