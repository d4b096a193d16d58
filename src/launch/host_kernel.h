// What of this machine's kernel decides how a container can be started without privileges: the
// layout of control groups, and policies about user namespaces. Plain files and statfs(2).
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace flense::launch {

enum class CgroupLayout {
  kNone,     ///< nothing is mounted there
  kV1,       ///< controllers of version 1 only
  kHybrid,   ///< both, and version 2 has controllers: crun refuses that view
  kUnified,  ///< version 2
};

/// `directory` is /sys/fs/cgroup.
CgroupLayout cgroup_layout(const std::filesystem::path& directory);
std::string_view to_string(CgroupLayout layout);

/// The control group of this process in version 2, below /sys/fs/cgroup, when the caller may make
/// groups in it and the controllers are there; an environment error that says why not.
Result<std::string> delegated_cgroup(const std::filesystem::path& proc,
                                     const std::filesystem::path& directory, bool memory, bool cpu);

/// Why unshare(CLONE_NEWUSER) failed with this errno, and what to do, by the policies that `proc`
/// (/proc) shows.
Error explain_user_namespace(int error, const std::filesystem::path& proc);

}  // namespace flense::launch
