// Files of one layer with equal content. Told by size and first bytes while the layer is read, then
// by the digests of those few, so that nothing else of a plain layer is hashed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "image/layers/layer_walk.h"
#include "inventory/scan/layer_scan.h"
#include "inventory/scan/scan.h"

namespace flense::inventory {

/// How much of a file fingerprint() looks at.
inline constexpr std::size_t kHeadBytes = 4096;
std::uint64_t fingerprint(Bytes head);

/// Of members that may have equals, what the first look at the layer left.
struct MembersSeen {
  std::map<std::uint32_t, std::string> digests;  ///< SHA-256, where content comes by only once
  std::map<std::uint32_t, Bytes> bytes;          ///< content that stays where it is
};

/// Files with extended attributes are left out; a sparse file may show a terabyte of zeros.
bool may_have_equals(const image::LayerEntry& entry);

/// Fills `scan.hashes`. Takes a second look at the layer where nothing was `seen`. Depends on the
/// layer alone.
Result<void> hash_equal_files(const image::Image& image, std::size_t layer,
                              const ScanOptions& options, const MembersSeen& seen, LayerScan& scan);

}  // namespace flense::inventory
