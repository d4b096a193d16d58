// What is mounted into a container and in which order: the kernel's file systems, a private /dev,
// the caller's places, what was asked for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/container/oci_config.h"
#include "launch/container/process_plan.h"
#include "launch/rootfs/in_root.h"

namespace flense::launch {

struct MountInput {
  const RunOptions& options;
  const Caller& caller;
  /// What a path of the host leads to.
  std::function<FileKind(std::string_view)> on_host;
  /// What a path of the image leads to, and whether it is a directory without entries.
  std::function<FileKind(std::string_view)> in_image;
  std::function<bool(std::string_view)> is_empty_in_image;
  std::string passwd_file, group_file;  ///< made for this launch; empty: the image's own serve
  /// The kernel makes a mount with all below it read-only at once (Linux 5.12).
  bool recursive_read_only = true;
};

struct MountPlan {
  std::vector<OciMount> mounts;
  bool directory_bound = false;      ///< the caller's working directory is there
  std::vector<std::string> reasons;  ///< for --explain
};

/// An environment error for a source that does not exist.
Result<MountPlan> plan_mounts(const MountInput& input);

/// Whether `path` is `directory` or lies below it.
bool is_below(std::string_view path, std::string_view directory);

}  // namespace flense::launch
