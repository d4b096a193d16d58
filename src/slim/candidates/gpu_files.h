// Whole files that serve other GPUs only, told by their names or, of stand-alone code, by what they
// hold: what a vendor ships once for each architecture or each make of GPU. Sees one layer
// alone.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>

#include "device/prune.h"
#include "inventory/scan/layer_scan.h"

namespace flense::slim {

/// Indices of regular files that none of the targets can use; empty without targets. Files for
/// another vendor than that of all targets go by rules.drop_vendor alone.
std::set<std::uint32_t> files_for_other_gpus(const inventory::LayerScan& scan,
                                             const device::PruneOptions& rules);

}  // namespace flense::slim
