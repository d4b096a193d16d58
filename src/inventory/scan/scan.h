// Reading the layers of an image into LayerScans.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "image/model/image.h"
#include "inventory/scan/layer_scan.h"
#include "inventory/scan/scan_cache.h"

namespace flense::inventory {

struct ScanOptions {
  std::filesystem::path scratch_directory;
  /// With targets every ELF file with device code also gets its PruneSummary.
  std::optional<device::PruneOptions> prune;
  /// Of further images that are made of this one: every such file gets a summary for each of them,
  /// too (Contents::by_further). Nothing is cached then.
  std::vector<device::PruneOptions> further;
  unsigned workers = 2;
  Progress* progress = nullptr;
  /// Hash every layer and compare with the digests the image states.
  bool verify_digests = true;
  /// See WalkOptions::late_digests; what was read so is not kept in the cache.
  bool late_digests = false;
  /// Layers that it knows are not read; those that are read and hashed are kept in it.
  InventoryCache* cache = nullptr;
  CacheTrust trust = CacheTrust::kFile;
};

/// Where scans come from, and what that says about the bytes of the layers.
struct ScanOrigin {
  std::uint64_t cached = 0;  ///< layers that the cache stood in for
  std::int64_t since = 0;    ///< when the first of these was hashed; seconds since 1970
  bool hashed = true;        ///< each layer was hashed, now or for the cache
  bool same_files = true;    ///< those from the cache were hashed in the very files of this image
  bool operator==(const ScanOrigin&) const = default;
};

struct LayerScans {
  /// One per layer of the image, in manifest order; equal blobs share one.
  std::vector<std::shared_ptr<const LayerScan>> scans;
  ScanOrigin origin;
};
Result<LayerScans> scan_layers(const image::Image& image, const ScanOptions& options);

}  // namespace flense::inventory
