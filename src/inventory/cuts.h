// What could go from an image, by category, with each content counted once.
#pragma once

#include <cstdint>
#include <vector>

#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "inventory/self_checked.h"
#include "inventory/used_places.h"

namespace flense::inventory {

struct CutInputs {
  const image::Image& image;
  const BuildNeeds& needs;
  const UsedPlaces& used;
  const SelfChecked& self_checked;
  const std::vector<WastedFile>& wasted;  ///< all of them
  device::PruneOptions rules;             ///< of the level, for the targets
  bool musl = false;  ///< the image's C library is musl: ELF files are left as they are
  std::vector<FileCut>* each = nullptr;  ///< also gets the cuts file by file
};

/// value * part / whole without overflow, rounded down; part <= whole, whole > 0.
std::uint64_t share(std::uint64_t value, std::uint64_t part, std::uint64_t whole);

std::vector<Cut> find_cuts(const Contents& contents, const CutInputs& inputs);

}  // namespace flense::inventory
