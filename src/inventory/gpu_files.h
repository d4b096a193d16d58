// Whole files that serve other GPUs only, told by their names: what a vendor ships once for each
// architecture or each make of GPU. Sees one layer alone.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>

#include "device/target.h"
#include "image/merged_tree.h"

namespace flense::inventory {

inline constexpr std::string_view kGpuFiles = "gpu-files";
inline constexpr std::string_view kGpuFilesSummary = "files that serve other GPUs only";

/// Indices into `layer` of regular files that none of the targets can use; empty without targets.
std::set<std::uint32_t> files_for_other_gpus(const image::LayerListing& layer,
                                             const device::Targets& targets);

}  // namespace flense::inventory
