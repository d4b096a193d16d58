// What `flense run` and --bundle decide alike: a whole container as values, checked before anything
// is started or written.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cdi/spec/spec.h"
#include "host/tree.h"
#include "launch/container/host_kernel.h"
#include "launch/container/mount_targets.h"
#include "launch/container/numa.h"
#include "launch/container/oci_config.h"
#include "launch/container/other_id.h"
#include "launch/container/run_options.h"
#include "launch/container/start_check.h"
#include "launch/container/sub_ids.h"
#include "launch/rootfs/store.h"
#include "text/json.h"

namespace flense::launch {

constexpr const char* kCgroups = "/sys/fs/cgroup";

struct LaunchInput {
  const RunOptions& options;
  const text::Json& image_config;  ///< null for a directory and a squashfs
  const RootFs& root;
  /// The environment of the host, "NAME=value".
  const std::vector<std::string>& environment;
  const host::Tree& dev;
  cdi::Edits devices = {};  ///< with the libraries that they need
  /// Processors and memory of the command; nullopt: those of whoever starts it.
  std::optional<Placement> placement = std::nullopt;
  /// System calls at which the tracer of the container is asked; empty: there is no tracer.
  std::vector<std::string> traced = {};
  /// Directories of flense's own that a bind must not bring along: state of containers, roots.
  std::vector<std::filesystem::path> own = {};
  /// What is bound from directories that could be pruned (StagePlan::kept).
  std::vector<std::filesystem::path> kept = {};
  /// With RunOptions::other_id; the root is a mount for it then, and so is `libraries`, which
  /// stands for the directory of that name on the host wherever that is bound.
  const OtherId* other = nullptr;
  std::filesystem::path library_directory = {};
  int libraries = -1;
};

struct Surroundings {
  std::filesystem::path files;  ///< where generated files will lie
  std::string root;
  Identity host;
  std::string id;
  /// The engine certainly uses the compiled filter; the other form would only be parsed.
  bool compiled_filter_alone = false;
};

/// Its name in Surroundings::files, and what it says.
using GeneratedFile = std::pair<std::string, std::string>;

struct Assembled {
  OciInput oci;
  std::vector<GeneratedFile> files;
  std::vector<MissingTarget> missing;  ///< of a writable root only its working directory
  CommandCheck command;
  std::string program;                   ///< what `command` speaks of
  std::optional<Delegation> delegation;  ///< for limits
  std::optional<SubIds> sub_ids;
  std::vector<std::uint32_t> groups;  ///< that root takes before it starts this
  std::vector<std::string> reasons;   ///< for --explain
};

Result<Assembled> assemble(const LaunchInput& input, const Surroundings& at);

}  // namespace flense::launch
