// What could go from an image, by category, with each content counted once.
#pragma once

#include <cstdint>

#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"

namespace flense::inventory {

/// value * part / whole without overflow, rounded down; part <= whole, whole > 0.
std::uint64_t share(std::uint64_t value, std::uint64_t part, std::uint64_t whole);

/// Fills the cuts of an inventory that describe() made with the same options.
void add_cuts(const image::Image& image, const Contents& contents, const InventoryOptions& options,
              Inventory& inventory);

}  // namespace flense::inventory
