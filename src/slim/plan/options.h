// What the user asked slim to do; a value that every pass reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/compression.h"
#include "device/prune.h"
#include "device/target.h"
#include "inventory/describe/amd_override.h"
#include "knowledge/drivers.h"

namespace flense::slim {

/// What becomes of compiled Python files (__pycache__).
enum class Pyc {
  kByLevel,  ///< they go at aggressive
  kKeep,
  kDrop,
  kCompile,  ///< they stay, and those that imports would make are made
             ///< (slim/python/compile_python.h)
};

/// Where paths in SlimOptions::traced are from.
struct TraceSource {
  std::string command;       ///< as it was run; empty when the paths were read from a file
  std::string file;          ///< the name of that file
  std::uint64_t used = 0;    ///< paths that were opened, executed or read as links
  std::uint64_t looked = 0;  ///< paths that were asked about only; a file does not tell them apart
};

struct SlimOptions {
  device::Targets targets;
  device::Level level = device::Level::kStandard;
  bool keep_ptx = false;
  /// Targets of one vendor alone let all code of the other go, as at aggressive.
  bool drop_vendor = false;
  inventory::AmdOverride amd_override = {};  ///< of the image
  /// --recompress-code, and what was packed so far.
  device::CodeCompression recompress = device::CodeCompression::kKeep;
  std::shared_ptr<device::FrameStore> frames = {};
  /// False (--no-modify-vendor): whole files may go, no ELF file is changed.
  bool modify_vendor = true;
  /// Image paths that stay as they are (base/path.h globs).
  std::vector<std::string> keep;
  Pyc pyc = Pyc::kByLevel;
  bool squash = false;  ///< one layer out of all
  /// Files that the start of the image does not reach go (--closure; inventory/closure/reach.h).
  bool closure = false;
  /// Nothing but the closure of one program stays (--minimal); with time zones if asked for.
  bool minimal = false, time_zones = false;
  /// Programs that are started beside the image's own command (--also).
  std::vector<std::string> also;
  /// For every written layer; unset: each layer keeps its own.
  std::optional<codec::Compression> compression;
  int compression_level = 0;
  /// With gzip: layers that engines can pull lazily (codec/estargz.h).
  bool lazy = false;
  /// With lazy: image paths that a container wants at its start, sorted; they come first in their
  /// layers.
  std::vector<std::string> prefetch;
  /// So many layers at the bottom stay as they are, digest included: a base that others share.
  std::size_t kept_layers = 0;
  /// Layers that unpack to more become several of about so many bytes; 0: none does.
  std::uint64_t split_bytes = 0;
  /// Image paths that traced runs met, sorted: files, symbolic links, and directories, which stand
  /// for themselves and not for what is in them. Not every one is in the image. They count as
  /// reached.
  std::vector<std::string> traced;
  std::vector<TraceSource> traces;
  /// Python distributions that only packages want go where no traced run used them
  /// (--trace-decides).
  bool trace_decides = false;
  std::filesystem::path scratch_directory;
  knowledge::Drivers drivers;  ///< whose versions labels and notices name
};

/// As --compression names it.
inline std::string_view packing_name(const SlimOptions& options) {
  if (options.lazy) return "estargz";
  return options.compression ? codec::to_string(*options.compression) : "as it was";
}

/// The rules for one ELF file under these options; the same for planning and for applying.
inline device::PruneOptions rewrite_rules(const SlimOptions& options) {
  device::PruneOptions out =
      device::prune_options(options.targets, options.level, options.keep_ptx);
  out.drop_vendor |= options.drop_vendor;
  out.recompress = options.recompress;
  out.frames = options.frames;
  out.scratch_directory = options.scratch_directory;
  inventory::honour(options.amd_override, out);
  return out;
}

}  // namespace flense::slim
