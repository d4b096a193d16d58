// What a slim image tells the next reader: labels in its configuration and one small file in every
// edited layer. The file depends on the options alone, so equal layers stay equal across images.
#pragma once

#include <string>
#include <vector>

#include "inventory/slim_mark.h"
#include "slim/apply_layer.h"
#include "slim/options.h"
#include "text/json.h"

namespace flense::slim {

using inventory::kLabelDriverFloor;
using inventory::kLabelInput;
using inventory::kLabelLevel;
using inventory::kLabelTargets;
using inventory::kLabelTraced;
using inventory::kLabelVersion;
using inventory::kMarkerPath;

/// Oldest driver for the image: by the newest CUDA runtime in it and by compressed device code
/// (zstd fat binaries need a driver of CUDA 12.4). Empty when nothing is known.
std::string driver_floor(const std::vector<std::string>& cuda_versions, bool zstd_device_code);

/// Schema flense/marker/v1 (docs/schemas/marker-v1.json).
AddedFile marker_file(const SlimOptions& options);

/// The configuration of the output: new diff_ids, labels set; everything else as it was.
text::Json slim_config(const text::Json& config, const std::vector<std::string>& diff_ids,
                       const SlimOptions& options, const std::string& floor,
                       const std::string& input_digest);

/// True when the labels already say what a run with `options` would say.
bool already_labelled(const text::Json& config, const SlimOptions& options);

}  // namespace flense::slim
