// What the user asked slim to do: values that every pass reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "codec/compression.h"
#include "device/prune.h"
#include "device/target.h"
#include "image/model/registry_limits.h"
#include "inventory/describe/amd_override.h"
#include "knowledge/drivers.h"
#include "knowledge/opened_files.h"

namespace flense::slim {

/// What becomes of compiled Python files (__pycache__).
enum class Pyc {
  kByLevel,  ///< they go at aggressive
  kKeep,
  kDrop,
  kCompile,  ///< they stay, and those that imports would make are made
             ///< (slim/python/compile_python.h)
};

/// Where paths in TraceFindings are from.
struct TraceSource {
  std::string command;       ///< as it was run; empty when the paths were read from a file
  std::string file;          ///< the name of that file
  std::uint64_t used = 0;    ///< paths that were opened, executed or read as links
  std::uint64_t looked = 0;  ///< paths that were asked about only; a file does not tell them apart
};

/// What decides what goes.
struct CutRules {
  device::Targets targets;
  device::Level level = device::Level::kStandard;
  bool keep_ptx = false;
  /// Targets of one vendor alone let all code of the other go, as at aggressive.
  bool drop_vendor = false;
  inventory::AmdOverride amd_override = {};  ///< of the image
  device::CodeCompression recompress = device::CodeCompression::kKeep;
  /// False (--no-modify-vendor): whole files may go, no ELF file is changed.
  bool modify_vendor = true;
  /// Files whose content something vouches for are changed as well (--rewrite-signed).
  bool rewrite_signed = false;
  /// Image paths that stay as they are, with what lies below them (base/glob.h).
  std::vector<std::string> keep;
  Pyc pyc = Pyc::kByLevel;
};

/// How the result is stored.
struct Packing {
  bool squash = false;  ///< one layer out of all
  /// For every written layer; unset: each layer keeps its own.
  std::optional<codec::Compression> compression;
  int level = 0;
  /// With gzip: layers that engines can pull lazily (codec/estargz.h).
  bool lazy = false;
  /// With lazy: image paths that a container wants at its start, sorted; they come first in their
  /// layers.
  std::vector<std::string> prefetch;
  /// So many layers at the bottom stay as they are, digest included: a base that others share, by
  /// the name that the user gave it.
  std::size_t kept_layers = 0;
  std::string kept_base;
  /// Layers that unpack to more become several of about so many bytes; 0: none does.
  std::uint64_t split_bytes = 0;
};

/// Files that the start of the image does not reach go (--closure; closure/reach.h).
struct ClosureRules {
  bool wanted = false;
  /// Nothing but the closure of one program stays (--minimal); with time zones if asked for.
  bool minimal = false, time_zones = false;
  /// Programs that are started beside the image's own command (--also).
  std::vector<std::string> also;
};

/// What runs of the image's programs met.
struct TraceFindings {
  /// Image paths, sorted: files, symbolic links, and directories, which stand for themselves and
  /// not for what is in them. Not every one is in the image. They count as reached.
  std::vector<std::string> paths;
  std::vector<TraceSource> sources;
  /// Python distributions that only packages want go where no traced run used them
  /// (--trace-decides).
  bool decide = false;
};

struct SlimOptions {
  CutRules cuts;
  Packing packing;
  ClosureRules closure;
  TraceFindings traced;
};

/// What slim works with, no part of what was asked for.
struct Workplace {
  std::filesystem::path scratch_directory;
  /// Device code that was packed anew so far; null: nothing is kept for the next who needs it.
  std::shared_ptr<device::FrameStore> frames = {};
  Progress* progress = nullptr;                    ///< may be null below slim/job
  std::stop_token stop = {};                       ///< ends what runs in the image
  std::optional<std::uint64_t> max_unpacked = {};  ///< $FLENSE_MAX_UNPACKED
  knowledge::Drivers drivers = {};                 ///< whose versions labels and notices name
  knowledge::OpenedFiles opened = {};              ///< what programs open, for --closure
  std::string tables = {};                         ///< state of these, for labels and records
  image::RegistryLimits registry = {};             ///< for what is pushed
};

/// As --compression names it.
inline std::string_view packing_name(const Packing& packing) {
  if (packing.lazy) return "estargz";
  return packing.compression ? codec::to_string(*packing.compression) : "as it was";
}

/// What these rules mean for one ELF file; the same for planning and for applying.
inline device::PruneOptions rewrite_rules(const CutRules& cuts, const Workplace& workplace = {}) {
  device::PruneOptions out = device::prune_options(cuts.targets, cuts.level, cuts.keep_ptx);
  out.drop_vendor |= cuts.drop_vendor;
  out.recompress = cuts.recompress;
  out.frames = workplace.frames;
  out.scratch_directory = workplace.scratch_directory;
  inventory::honour(cuts.amd_override, out);
  return out;
}

}  // namespace flense::slim
