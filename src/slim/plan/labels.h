// What a slim image tells the next reader: labels in its configuration and one small file in every
// edited layer. The file depends on the options alone, so equal layers stay equal across images.
#pragma once

#include <string>
#include <vector>

#include "inventory/describe/slim_mark.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"
#include "text/json.h"

namespace flense::slim {

using inventory::kLabelClosure;
using inventory::kLabelCodeFloor;
using inventory::kLabelDriverFloor;
using inventory::kLabelInput;
using inventory::kLabelLevel;
using inventory::kLabelRecompressed;
using inventory::kLabelRules;
using inventory::kLabelTables;
using inventory::kLabelTargets;
using inventory::kLabelTraced;
using inventory::kLabelVersion;
using inventory::kMarkerPath;

/// Oldest drivers for an image by the tables; empty where nothing is known.
struct DriverFloor {
  std::string driver;       ///< by the newest CUDA runtime and by `code`, whichever is newer
  std::string code;         ///< by device code that was compressed anew; empty: there is none
  std::string tables = {};  ///< state of what the run leaned on: "cuda_driver 2026-11"
};

/// `raised`: device code was compressed with zstd that was not before, which drivers read from CUDA
/// 12.4 on.
DriverFloor driver_floor(const knowledge::Drivers& drivers,
                         const std::vector<std::string>& cuda_versions, bool raised);

/// What the user must know of code that was compressed anew.
std::string driver_floor_notice(const knowledge::Drivers& drivers);

/// Schema flense/marker/v1 (docs/schemas/marker-v1.json).
AddedFile marker_file(const SlimOptions& options);

/// The configuration of the output: new diff_ids, labels set; everything else as it was. `plan` is
/// what was done.
text::Json slim_config(const text::Json& config, const std::vector<std::string>& diff_ids,
                       const SlimOptions& options, const DriverFloor& floor,
                       const std::string& input_digest, const Plan& plan = {});

/// True when the labels already say what a run with `options` would say.
bool already_labelled(const text::Json& config, const SlimOptions& options);

}  // namespace flense::slim
