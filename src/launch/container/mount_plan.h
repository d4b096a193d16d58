// What is mounted into a container and in which order: the kernel's file systems, a private /dev,
// the caller's directories, requested mounts, devices and the libraries that they need; and an
// empty mount over whatever must not come along with any of it.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cdi/spec/spec.h"
#include "launch/container/oci_config.h"
#include "launch/container/process_plan.h"
#include "launch/rootfs/in_root.h"

namespace flense::launch {

struct MountInput {
  const RunOptions& options;
  const Caller& caller;
  const PathKinds& look;
  /// Files made for this launch: targets, sources.
  std::vector<std::pair<std::string, std::string>> generated = {};
  std::string placer = {};  ///< this program, which places the command; empty: nobody does
  std::vector<cdi::Mount> devices = {};  ///< cdi::mounts_of()
  /// Directories of flense's own that a bind must not bring along.
  std::vector<std::filesystem::path> own = {};
  /// The kernel makes a mount with all below it read-only at once (Linux 5.12).
  bool recursive_read_only = true;
};

struct MountPlan {
  std::vector<OciMount> mounts;
  bool directory_bound = false;      ///< the caller's working directory is there
  bool follows_host = false;         ///< one of them gets what is mounted below it, later
  std::vector<std::string> reasons;  ///< for --explain
};

/// An environment error for a source that does not exist.
Result<MountPlan> plan_mounts(const MountInput& input);

/// Whether `path` is `directory` or lies below it.
bool is_below(std::string_view path, std::string_view directory);

}  // namespace flense::launch
