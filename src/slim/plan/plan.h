// The ordered list of edits that slim would make, as a value: --dry-run prints it, --plan saves it,
// apply executes it. Members of a layer are named by their position in its tar, because a tar may
// hold one path twice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "closure/reach.h"
#include "device/prune.h"
#include "device/target.h"
#include "image/layers/merged_tree.h"
#include "slim/plan/options.h"
#include "slim/plan/passes.h"
#include "text/json.h"

namespace flense::slim {

enum class Action {
  kDrop,      ///< the member goes
  kRewrite,   ///< an ELF file gets new content
  kRename,    ///< a dropped hard-link target moves its content to `new_path`
  kMoved,     ///< a hard link whose name the content took by kRename
  kRetarget,  ///< a hard link gets the target `new_path`
  kLink,      ///< a hard link to `new_path` takes the place of an equal file
  kSymlink,   ///< a symbolic link with the text `new_path` takes the member's place
  kPlace,     ///< squashing: the member stays, under `place`
};
std::string_view to_string(Action action);

/// What goes from an ELF file that is rewritten, in bytes given back.
struct RewriteShares {
  std::uint64_t debug = 0, recompressed = 0, ptx = 0, code = 0;

  void for_each(const auto& fn) const {
    if (debug > 0) fn(Pass(kDebugSections), debug);
    if (recompressed > 0) fn(Pass(kRecompressedCode), recompressed);
    if (ptx > 0) fn(Pass(kDevicePtx), ptx);
    if (code > 0) fn(Pass(kDeviceCode), code);
  }
};

/// What an edit of an ELF file was measured to take from it.
struct RewriteMeasure {
  bool code = false;  ///< device code goes or becomes smaller
  std::uint64_t debug = 0, recompressed = 0;
  std::uint64_t ptx_entries = 0, dropped_entries = 0;  ///< the latter with the former
};
/// `saved` bytes of the file by what they are due to: debug sections first, then entries packed
/// anew, the rest in the proportion of the dropped entries.
RewriteShares shares_of(const RewriteMeasure& measure, std::uint64_t saved);

struct Edit {
  Action action = Action::kDrop;
  Pass pass = kShadowedFiles;  ///< that decided
  std::string path = {};
  std::string new_path = {};  ///< kRename, kRetarget, kLink, kSymlink
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;  ///< as measured; apply reports what was reached
  bool rewrite = false;           ///< kRename: the content is rewritten as well
  bool whiteout = false;  ///< kDrop, kRename: one takes the place; a lower layer has the path, too
  RewriteShares shares = {};  ///< kRewrite: of the difference
  std::string place = {};     ///< squashing: where the member really lies, when not at `path`

  /// Calls fn(pass, bytes given back) for each pass that takes something; a dropped member counts
  /// for its pass also where it weighs nothing.
  void for_each_share(const auto& fn) const {
    if (action == Action::kRewrite)
      shares.for_each(fn);
    else if (bytes_before > bytes_after || action == Action::kDrop)
      fn(pass, bytes_before - bytes_after);
  }
};

struct LayerPlan {
  std::string digest;
  /// By member position. Empty: the layer keeps its digest.
  std::map<std::uint64_t, Edit> edits;
  std::uint64_t content_bytes = 0;  ///< file contents of the layer before any edit
  /// Paths of this layer that later ones wrote anew and that go there: lists of this layer that
  /// name them follow.
  std::set<std::string> gone_above = {};
};

/// A small file added at the end of an edited layer.
struct AddedFile {
  std::string path;
  std::string text;
};

/// A file that could give bytes but stays as it is.
struct LeftAlone {
  std::string path;
  std::uint64_t bytes = 0;  ///< what dropping by the rules would have given, where known
  std::string why;
  Pass pass = kDeviceCode;     ///< that would have
  image::EntryRef entry = {};  ///< of a plan
};

/// Totals of one pass over the image.
struct PassTotal {
  Pass pass;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;      ///< given back
  bool breaks_sharing = false;  ///< depends on more than the one layer and the options
};

/// What the closure of the start said (closure/reach.h).
struct ClosureRecord {
  std::vector<std::string> starts;
  std::map<std::string, std::string> kept;  ///< why each file stays
  std::vector<closure::UnreachedPackage> packages;
  std::set<std::string> idle_scripts;  ///< stay without their interpreter
  std::uint64_t files = 0, bytes = 0;  ///< that went
};

/// What --pyc compile did to the Python sources that stay.
struct CompiledSources {
  std::uint64_t files = 0, bytes = 0;  ///< compiled files that the added layer holds
  std::uint64_t current = 0;  ///< sources whose compiled file was there and is what imports take
  std::uint64_t failed = 0;   ///< sources that are no Python of their version
};

struct Plan {
  std::string input;         ///< target as opened
  std::string input_digest;  ///< manifest digest; empty for directories
  device::Targets targets;
  device::Level level = device::Level::kStandard;
  std::vector<LayerPlan> layers;
  std::vector<LeftAlone> left_alone;
  /// Files of whole categories that the image itself needs or that only its owner can judge.
  std::vector<LeftAlone> held_back;
  std::vector<PassTotal> passes;
  /// Bytes that a bolder rule would give on top, by rule.
  std::map<std::string, std::uint64_t> bolder;
  std::vector<TraceSource> traces;  ///< what SlimOptions::traced comes from
  std::vector<std::string> notices;
  /// Device code becomes what drivers before CUDA 12.4 do not read, though they read it before.
  bool raises_driver_floor = false;
  std::optional<ClosureRecord> closure;     ///< set with --closure
  std::optional<CompiledSources> compiled;  ///< set with --pyc compile; the last layer is added

  std::uint64_t bytes_given_back() const;
  bool empty() const;
};

/// Schema flense/plan/v1 (docs/schemas/plan-v1.json).
text::Json to_json(const Plan& plan);
/// {"cuda": ["sm_90"], "amd": []}: how every document names the GPUs.
text::Json to_json(const device::Targets& targets);
/// Members that the plan and the report share.
text::Json passes_json(const std::vector<PassTotal>& passes);
text::Json left_alone_json(const std::vector<LeftAlone>& files);
text::Json traces_json(const std::vector<TraceSource>& traces);
/// Starts, sums and packages; not why each file stays.
text::Json closure_json(const ClosureRecord& closure);
text::Json compiled_json(const CompiledSources& compiled);
/// "1204 files of 31 packages" for people and the image's label.
std::string closure_text(const ClosureRecord& closure);

}  // namespace flense::slim
