// Files that an image can do without, told by their path alone. One table serves the report of
// `inspect` and the passes of `slim`, so that what is announced is what is done.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.h"
#include "device/prune.h"
#include "image/layers/merged_tree.h"

namespace flense::inventory {

/// What would break if the files went although the image builds code at run time.
enum class Guard {
  kNone,
  kHostCompiler,  ///< a C compiler is used at run time (Triton, torch.compile)
  kCudaCompiler,  ///< nvcc is used at run time (DeepSpeed, FlashInfer, PyCUDA)
  kCudaHeaders,   ///< the same, or NVRTC reads CUDA headers (CuPy, numba-cuda)
  kAnyCompiler,
};

/// Why what a pass takes is not missed.
enum class PassVerdict {
  kSafe,         ///< nothing reads it at run time, or it is fetched again
  kConditional,  ///< what the image holds decides
  kOwner,        ///< some programs do read it, or only the image's owner can know
};
std::string_view to_string(PassVerdict verdict);

/// What every list of what goes says of one kind of cut (docs/passes.md).
struct PassRow {
  std::string_view id;
  device::Level level = device::Level::kStandard;  ///< the one from which the pass runs
  std::string_view text;
  PassVerdict verdict = PassVerdict::kSafe;
};

/// One category. Patterns are globs over image paths (base/path.h); a path that matches `keep` is
/// never in the category.
struct WasteRule : PassRow {
  Guard guard = Guard::kNone;
  std::span<const std::string_view> patterns;
  std::span<const std::string_view> keep;
  /// The place is all that speaks against the files: what the image names there stays
  /// (used_places.h).
  bool by_place = false;
  /// Said instead of cutting, at every level: what only the image's owner can decide.
  std::string_view reported = {};
  /// `touch /var/log/app.log && chown app` lets a user write where only root may create files: such
  /// a file stays, with what is in it.
  bool spares_users_files = false;
  /// Caches of compiled kernels: one that serves a GPU that stays, stays (jit_caches.h).
  bool by_gpu = false;
};

/// The category that an option of its own decides about (--pyc).
inline constexpr std::string_view kCompiledPython = "pycache";

/// All categories, in order of precedence: a path belongs to the first that takes it.
std::span<const WasteRule> waste_rules();

/// What in the image compiles at run time (build_needs.h); a non-empty text is the evidence.
struct BuildNeeds {
  std::string host_compiler = {};
  std::string cuda_compiler = {};
  std::string cuda_headers = {};
};

/// True when the rule leaves this file to the user it was made for.
bool spares(const WasteRule& rule, const image::LayerListing::Entry& entry);

/// Why the rule may not be applied to an image with these needs; empty when it may.
std::string_view held_back(const WasteRule& rule, const BuildNeeds& needs);

/// True when `rule` belongs to `level` or a more careful one.
inline bool applies_at(const WasteRule& rule, device::Level level) {
  return rule.level <= level;
}

/// Licence texts: no category may take them.
bool is_licence_text(std::string_view path);

/// The table made fast: patterns are found by one literal component or by the file extension, so
/// that a path is compared with few of them.
class WasteClassifier {
 public:
  WasteClassifier();
  /// The rule that takes the path, or null.
  const WasteRule* classify(std::string_view path) const;

 private:
  struct Pattern {
    Glob glob;
    std::size_t rule = 0;
  };
  void consider(std::span<const Pattern> patterns, std::string_view path, std::size_t& best) const;

  std::map<std::string_view, std::vector<Pattern>> by_component_;
  std::map<std::string_view, std::vector<Pattern>> by_extension_;
};

}  // namespace flense::inventory
