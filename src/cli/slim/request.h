// The command line of flense slim.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/shared/common.h"
#include "image/model/mirror.h"
#include "slim/job/destination.h"
#include "slim/plan/options.h"

namespace flense::cli {

/// What --compression takes: KIND[:LEVEL].
struct CompressionWish {
  codec::Compression kind = codec::Compression::kZstd;
  bool lazy = false;
  int level = 0;  ///< 0: not named
};

struct SlimRequest : TableRequest {
  slim::SlimOptions options;  ///< as far as single options fill it
  std::vector<std::string> gpus;
  std::vector<std::string> variants;
  std::optional<image::Mirror> mirror;
  std::filesystem::path proc = "/proc";
  bool no_modify_vendor = false;
  std::optional<CompressionWish> compression;
  std::string compression_level;
  bool in_place = false, dry_run = false;
  std::string output, name;  ///< -o, -t
  std::string plan_file, html, verify, prove;
  std::optional<std::string> provenance;
  std::vector<std::string> trace_commands, trace_files;
  std::string save_trace;
  bool index = false;        ///< of wheels
  std::string requirements;  ///< a file that lists wheels with digests
  bool json = false;
  ImageOptions image;
};
void declare(Options& options, SlimRequest& request);

/// One image, wheel or ELF file to slim.
struct SlimJob {
  std::string target;
  slim::SlimOptions options;
  slim::Destination to;
  std::string provenance;  ///< where the record goes; empty: nowhere
  bool elf_file = false;   ///< the target is a single ELF file
  bool wheel = false;      ///< the target is a wheel; all are, and to.output is their directory
  std::vector<std::string> notices = {};
};
/// A job for each target. Usage errors for all that contradicts itself, before anything is read.
Result<std::vector<SlimJob>> understand(const SlimRequest& request, const knowledge::Gpus& gpus);

}  // namespace flense::cli
