// An image by its configuration alone, before any layer is pulled. Layers of the result are known
// by their diff_ids and cannot be opened.
#pragma once

#include <memory>
#include <string>

#include "image/model/image.h"

namespace flense::image {

/// Of the configuration that a registry has, verified by who fetched it against the manifest.
Result<std::unique_ptr<Image>> open_registry_config(std::string text);

/// The same of what Docker's engine says of an image (GET /images/NAME/json): all but the history.
Result<std::unique_ptr<Image>> open_engine_config(const std::string& inspected);

/// Of the manifest in an index that serves the platform best.
Result<std::string> digest_in_index(const std::string& index, const Platform& platform);

}  // namespace flense::image
