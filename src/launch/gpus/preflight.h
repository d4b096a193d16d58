// `flense check` before a start: will this image run here under flense run? From what the inventory
// cache knows about the image, so that it costs next to nothing; the answer itself is cached as
// well, by image, machine, boot, build and tables.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "host/tree.h"
#include "image/model/image.h"
#include "inventory/scan/scan_cache.h"
#include "knowledge/table_files.h"

namespace flense::launch {

struct PreflightFinding {
  std::string id, message, fix;  ///< as compat::Check has them
  bool operator==(const PreflightFinding&) const = default;
};

struct Preflight {
  std::vector<PreflightFinding> failures;  ///< it will not run
  std::vector<PreflightFinding> warnings;  ///< it runs, but something is worth knowing
  std::vector<std::string> notices;        ///< what was not looked at
  bool use_image_compat = false;           ///< InjectOptions::use_image_compat
  bool layers_known = false;               ///< false: of the configuration alone
  bool operator==(const Preflight&) const = default;
};

struct PreflightOptions {
  /// Qualified CDI names; without one of a GPU only what any program needs is asked.
  std::vector<std::string> devices;
  inventory::InventoryCache* cache = nullptr;  ///< null: nothing is known, and nothing kept
  /// Reads the layers of an image that the cache does not know, as `flense check` does: seconds to
  /// minutes. Else its configuration alone is judged, with a notice.
  bool read_layers = false;
  knowledge::OwnTables tables;              ///< over the built-in ones
  std::filesystem::path scratch_directory;  ///< of reading
  Progress* progress = nullptr;             ///< of reading
};

Result<Preflight> preflight(const image::Image& image, const host::Machine& machine,
                            const PreflightOptions& options);

/// The first failure as an error, with the others as its context; fine without failures.
Result<void> refuse(const Preflight& preflight);

}  // namespace flense::launch
