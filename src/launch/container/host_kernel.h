// Properties of this machine's kernel that decide how a container can be started without
// privileges: the layout of control groups, and policies on user namespaces. Plain files and
// statfs(2).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

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

/// Where limits can be set: below a control group of version 2 that the caller may divide.
struct Delegation {
  std::filesystem::path group;  ///< absolute, below /sys/fs/cgroup
  std::string path;             ///< the same as /proc/PID/cgroup writes it: "/user.slice/…"
  std::vector<std::string> controllers;  ///< that are wanted: "memory", "cpu", "pids"
};

/// The control group of this process when the caller may make groups in it and the controllers are
/// there; an environment error that says why not.
Result<Delegation> delegated_cgroup(const std::filesystem::path& proc,
                                    const std::filesystem::path& directory,
                                    std::vector<std::string> controllers);

/// Hands the controllers on to the groups below. A group that does so must have no processes of its
/// own (cgroup-v2.rst, "No Internal Process Constraint"), so this one moves to "flense.launch" in
/// it; an environment error when others are left there.
Result<void> divide_cgroup(const Delegation& delegation);

/// Beside a container that has limits, so that crun may move what joins it into its group: `path`
/// is that group's. An environment error where the kernel lets nobody move there from our group.
Result<void> join_divided_cgroup(const std::filesystem::path& directory, const std::string& path);

/// A call that only a process of one thread may make, unshare(2) or setns(2) of a user namespace:
/// 0, or the errno of `call`, which returns 0 or sets errno. A thread that was joined a moment ago
/// may still count for the kernel, which answers EINVAL meanwhile: tried again, for seconds at
/// most.
int once_alone(const std::function<int()>& call);

/// Why unshare(CLONE_NEWUSER) failed with this errno, and what to do, by the policies that `proc`
/// (/proc) shows.
Error explain_user_namespace(int error, const std::filesystem::path& proc);

/// mount_setattr(2): Linux 5.12. crun wants it for mounts that are read-only with all below.
bool has_mount_setattr();

}  // namespace flense::launch
