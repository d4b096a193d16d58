// Reading the layers of an image into LayerScans.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "image/image.h"
#include "inventory/facts.h"

namespace flense::inventory {

struct ScanOptions {
  std::filesystem::path scratch_directory;
  /// With targets every ELF file with device code also gets its PruneSummary.
  std::optional<device::PruneOptions> prune;
  unsigned workers = 2;
  Progress* progress = nullptr;
  /// Hash every layer and compare with the digests the image states.
  bool verify_digests = true;
};

/// One scan per layer of the image, in manifest order; equal blobs share one.
Result<std::vector<std::shared_ptr<const LayerScan>>> scan_layers(const image::Image& image,
                                                                  const ScanOptions& options);

}  // namespace flense::inventory
