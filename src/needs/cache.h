// The needs of an image, kept with what was read of it (inventory/scan/scan_cache.h).
#pragma once

#include <optional>
#include <string_view>

#include "inventory/scan/scan_cache.h"
#include "needs/needs.h"

namespace flense::needs {

/// `basis` names whatever else the needs were made from, such as rows a user has added to tables.
/// The result has the name of `image`.
std::optional<inventory::Cached<Needs>> load_needs(const inventory::InventoryCache& cache,
                                                   const image::Image& image,
                                                   std::string_view basis,
                                                   inventory::CacheTrust trust);

/// For needs that were made from layers of which each was hashed, now or for the cache
/// (ScanOrigin::hashed).
void store_needs(inventory::InventoryCache& cache, const image::Image& image,
                 std::string_view basis, const Needs& needs);

/// Whether the payload of any entry is what its kind promises.
bool is_sound(const inventory::StoredEntry& entry);

}  // namespace flense::needs
