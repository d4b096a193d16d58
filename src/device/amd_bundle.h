// AMD device code in offload bundles: what a `.hip_fatbin` section and stand-alone .hsaco and .co
// files hold. Clang documentation, "Offload Bundler": bundled code object layout, and compressed
// bundles ("CCOB").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::device {

/// A code object of a bundle.
struct AmdEntry {
  std::string target;        ///< "gfx90a:sramecc+:xnack-"; "unknown" where the id names none
  std::uint64_t offset = 0;  ///< from the start of the bundle, unpacked
  std::uint64_t size = 0;    ///< unpacked
};

struct AmdBundle {
  std::uint64_t offset = 0;       ///< from the start of the bytes that were searched
  std::uint64_t size = 0;         ///< as stored
  unsigned compressed = 0;        ///< version of the "CCOB" header; 0 for a plain bundle
  std::vector<AmdEntry> entries;  ///< without those of the host
  /// Why the entries of a compressed bundle are not known; else empty.
  std::string unread;
};

/// True when the bytes begin like a bundle, plain or compressed.
bool looks_like_amd_bundle(Bytes bytes);

/// Bundles one after another, with anything between them. Plain ones whose header is damaged are
/// passed over. Bad input: more than 100,000 bundles, a million entries or 10,000 damaged headers.
Result<std::vector<AmdBundle>> read_amd_bundles(Bytes bytes);

/// The stored bytes of a bundle that count for each of its entries: what an entry takes, or of a
/// compressed bundle its share, so that the shares add up to the bundle.
std::vector<std::uint64_t> stored_shares(const AmdBundle& bundle);

}  // namespace flense::device
