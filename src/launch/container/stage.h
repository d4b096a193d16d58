// From this process to crun: a user and a mount namespace of our own, the root file system in it,
// then execve. Nothing is left behind on the host, since everything is in a tmpfs of that
// namespace; and nothing from the image is executed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "launch/container/crun.h"
#include "launch/container/host_kernel.h"
#include "launch/container/mount_targets.h"
#include "launch/container/sub_ids.h"
#include "launch/container/supervise.h"

namespace flense::launch {

struct StagePlan {
  std::filesystem::path place;         ///< an empty directory: a tmpfs is mounted there
  std::filesystem::path root;          ///< the unpacked root
  int mounted_root = -1;               ///< instead of it: a mount that is attached nowhere
  std::vector<MissingTarget> missing;  ///< made above a read-only root, or in a writable one
  bool writable = false;
  std::filesystem::path overlay;          ///< for what a writable root changes; empty: memory
  bool cgroup_namespaces = true;          ///< may be made in the container
  bool cover_unified = false;             ///< hide the hybrid half of the control groups from crun
  std::optional<Delegation> delegation;   ///< what limits are set below
  std::optional<SubIds> sub_ids;          ///< nullopt: the caller's id alone
  std::vector<std::uint32_t> groups;      ///< that root, who starts this, takes along
  std::optional<std::uint32_t> other_id;  ///< what root becomes first (other_id.h)
  /// Mounts that are attached nowhere, and the names in `place` that they get.
  std::vector<std::pair<std::string, int>> trees;
  std::vector<std::pair<std::string, std::string>> files;  ///< names in `place`, contents
  /// What crun will bind from directories that somebody could prune (kept_directory.h): mounted
  /// here, it is seen to be in use from now on.
  std::vector<std::filesystem::path> kept;
  std::vector<std::string> argv;         ///< of crun; argv[0] is its path
  std::optional<Supervision> supervise;  ///< nullopt: this process becomes crun
};

/// Where in `place` the root file system is mounted.
std::filesystem::path staged_root(const std::filesystem::path& place);

/// A user namespace in which the caller is root, and a mount namespace with it; `pids`: the next
/// child is the first process of a PID namespace. The process must have one thread.
Result<void> enter_namespaces(bool pids = false);
/// An overlay over `root` on `target` that keeps what is changed in `changes`; after
/// enter_namespaces().
Result<void> mount_changes(const std::filesystem::path& root, const std::filesystem::path& changes,
                           const std::filesystem::path& target);
/// The layer above a read-only root that has its missing targets, as an empty tree in `skeleton`.
Result<void> make_skeleton(const std::filesystem::path& skeleton, const UniqueFd& root,
                           const std::vector<MissingTarget>& missing);
/// Mounts as the plan says; after enter_namespaces().
Result<void> mount_stage(const StagePlan& plan);
/// Becomes the engine: an environment with PATH alone, signals as a program expects them. Returns
/// only on failure.
Result<void> become_engine(const std::vector<std::string>& argv);

/// Becomes the command of a container, in the container: looked for on PATH, the environment as it
/// is. Returns only on failure, with the status that stands for it (126, 127).
int become_command(const std::vector<std::string>& argv);

/// Control groups, namespaces, mounts, the engine. Its exit status where it is supervised, else
/// returns only on failure.
Result<int> start_stage(const StagePlan& plan);

/// Whether an overlay can keep its upper layer there: an environment error on network file
/// systems and FUSE, where it fails or harms.
Result<void> check_overlay_place(const std::filesystem::path& directory);

}  // namespace flense::launch
