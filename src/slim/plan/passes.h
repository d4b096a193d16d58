// The kinds of cut: one row each with what is said of it, and the functions that decide, in the
// order in which they claim. A new pass is a row and a name here, a file pass_*.cpp, and a row of
// docs/passes.md. Categories told by path alone have their rows in inventory/names/waste_rules.cpp.
#pragma once

#include <compare>
#include <string_view>
#include <vector>

#include "inventory/names/waste.h"

namespace flense::slim {

using inventory::PassRow;
using inventory::PassVerdict;

/// A kind of cut, named by its row, which lives as long as the program.
class Pass {
 public:
  constexpr Pass(const PassRow& row) : row_(&row) {}  // NOLINT(google-explicit-constructor)
  Pass(PassRow&&) = delete;

  std::string_view id() const { return row_->id; }
  device::Level level() const { return row_->level; }
  std::string_view text() const { return row_->text; }
  PassVerdict verdict() const { return row_->verdict; }

  friend bool operator==(Pass a, Pass b) { return a.row_ == b.row_; }
  /// By id: what is ordered by it is the same in every run.
  friend std::strong_ordering operator<=>(Pass a, Pass b) { return a.id() <=> b.id(); }

 private:
  const PassRow* row_;
};

/// What it drops changes nothing that anybody sees.
inline constexpr PassRow kShadowedFiles{"shadowed-files", device::Level::kSafe,
                                        "overwritten or deleted by later layers",
                                        PassVerdict::kSafe};
inline constexpr PassRow kGpuFiles{"gpu-files", device::Level::kStandard,
                                   "files that serve other GPUs only", PassVerdict::kConditional};
inline constexpr PassRow kHubCache{"hub-cache", device::Level::kStandard,
                                   "copies in the Hugging Face cache that links replace",
                                   PassVerdict::kSafe};
inline constexpr PassRow kUnreachable{"unreachable", device::Level::kAggressive,
                                      "not reached from what starts the image",
                                      PassVerdict::kConditional};
inline constexpr PassRow kCudaCopies{
    "cuda-copies", device::Level::kAggressive,
    "CUDA libraries of the system that packages bring along and nothing loads",
    PassVerdict::kConditional};
/// Only named: which of two forms a program opens its owner alone knows.
inline constexpr PassRow kPickledWeights{
    "pickled-weights", device::Level::kAggressive,
    "pickled weights beside the same tensors in safetensors, which loaders take first",
    PassVerdict::kConditional};
inline constexpr PassRow kEqualFiles{"equal-files", device::Level::kStandard,
                                     "equal files that become hard links", PassVerdict::kSafe};
inline constexpr PassRow kDeviceCode{"device-code", device::Level::kSafe,
                                     "device code for other GPUs", PassVerdict::kConditional};
inline constexpr PassRow kDevicePtx{"device-ptx", device::Level::kStandard,
                                    "PTX that no target needs", PassVerdict::kConditional};
/// An option of its own asks for it: --recompress-code.
inline constexpr PassRow kRecompressedCode{"recompressed-code", device::Level::kSafe,
                                           "device code that stays, compressed anew with zstd",
                                           PassVerdict::kOwner};
inline constexpr PassRow kDebugSections{"debug-sections", device::Level::kStandard,
                                        "debug sections and symbol tables of ELF files",
                                        PassVerdict::kSafe};

/// All of them, with those told by path; also those that only report.
std::vector<Pass> all_passes();

struct PassContext;
class Draft;

/// Content that no container sees: overwritten or deleted by later layers (OCI image-spec v1.1
/// layer.md). Looks across layers.
void shadowed_files_pass(const PassContext& context, Draft& draft);
/// Categories told by path: inventory/names/waste.h.
void waste_files_pass(const PassContext& context, Draft& draft);
/// Files that serve other GPUs only, told by their names: slim/candidates/gpu_files.h.
void gpu_files_pass(const PassContext& context, Draft& draft);
/// Copies in the cache of the Hugging Face hub that its own links replace:
/// slim/candidates/hub_cache.h.
void hub_cache_pass(const PassContext& context, Draft& draft);
/// Files that nothing reaches from the start of the image: closure/reach.h. Looks across
/// layers.
void unreachable_pass(const PassContext& context, Draft& draft);
/// Libraries of a CUDA installation that nothing loads, since packages bring their own:
/// slim/candidates/cuda_copies.h. Looks across layers.
void cuda_copies_pass(const PassContext& context, Draft& draft);
/// Pickles that loaders pass over: slim/candidates/pickled_weights.h. Looks across layers.
void pickled_weights_pass(const PassContext& context, Draft& draft);
/// Equal files of one layer: slim/candidates/equal_files.h.
void equal_files_pass(const PassContext& context, Draft& draft);
/// Device code that no target can load, and debug sections, inside ELF files.
void device_code_pass(const PassContext& context, Draft& draft);

/// The first claim stands.
inline constexpr void (*kPassesInOrder[])(const PassContext&, Draft&) = {
    shadowed_files_pass,  waste_files_pass, gpu_files_pass,   hub_cache_pass,  unreachable_pass,
    pickled_weights_pass, cuda_copies_pass, equal_files_pass, device_code_pass};

}  // namespace flense::slim
