// What flense slim writes into an image, and reading it back: labels of the configuration, and one
// small file (docs/schemas/marker-v1.json).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/model/variant.h"

namespace flense::inventory {

inline constexpr const char* kLabelTargets = image::kTargetsName;
inline constexpr const char* kLabelDriverFloor = image::kDriverFloorName;
/// The part of the floor that no minor-version mode lowers: of the form of the device code.
inline constexpr const char* kLabelCodeFloor = "dev.flense.code-driver-floor";
inline constexpr const char* kLabelRecompressed = "dev.flense.recompressed-code";
inline constexpr const char* kLabelLevel = "dev.flense.level";
inline constexpr const char* kLabelVersion = "dev.flense.version";
inline constexpr const char* kLabelInput = image::kInputDigestName;
/// What was run to find out which files the image needs: commands, or files of traces.
inline constexpr const char* kLabelTraced = "dev.flense.traced";
inline constexpr const char* kLabelClosure = "dev.flense.closure";
/// The passes that cut something, of all runs: "apt-lists,device-code".
inline constexpr const char* kLabelRules = "dev.flense.rules";
/// Of the tables that the run leaned on: "cuda_driver 2026-11, gpu_arch 2026-11".
inline constexpr const char* kLabelTables = "dev.flense.tables";
inline constexpr const char* kMarkerPath = "usr/share/flense/slim.json";

/// What flense slim wrote into the image.
struct SlimMark {
  std::vector<std::string> targets;  ///< "sm_90", "gfx942"
  std::string driver_floor, level, version;
  std::string evidence;  ///< label or file
  /// Older drivers read none of the device code that was compressed anew; empty: there is none.
  std::string code_floor = {};
  std::string input_digest = {};  ///< of the image that it was made from; empty: not told
  std::string tables = {};        ///< kLabelTables
  std::vector<std::string> rules = {};
  bool operator==(const SlimMark&) const = default;
};

std::optional<SlimMark> mark_of_labels(const std::map<std::string, std::string>& labels);
/// "sha256:…, at standard, by flense 1.0 with the tables cuda_driver 2026-11": where it is from.
std::string origin_of(const SlimMark& mark);

/// `text` of kMarkerPath; nullopt when it is not what flense writes.
std::optional<SlimMark> mark_of_file(std::string_view text);

}  // namespace flense::inventory
