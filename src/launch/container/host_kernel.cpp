#include "launch/container/host_kernel.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/file.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kSmall = 64u << 10;
constexpr std::string_view kLeaf = "/flense.launch";
constexpr const char* kDelegationHint =
    "let the batch system set limits, or start below: systemd-run --user --scope -p Delegate=yes";

std::uint32_t magic_of(const std::filesystem::path& path) {
  struct statfs found{};
  if (::statfs(path.c_str(), &found) != 0) return 0;
  return static_cast<std::uint32_t>(found.f_type);
}

/// First line of a small file; empty when there is none.
std::string line_of(const std::filesystem::path& path) {
  const auto text = read_file(path, kSmall);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

bool has_word(std::string_view line, std::string_view word) {
  while (!line.empty()) {
    const std::size_t end = line.find(' ');
    if (line.substr(0, end) == word) return true;
    line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  }
  return false;
}

/// One write, as these files want it; 0, or the errno.
int write_control(const std::filesystem::path& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

}  // namespace

CgroupLayout cgroup_layout(const std::filesystem::path& directory) {
  const std::uint32_t magic = magic_of(directory);
  if (magic == CGROUP2_SUPER_MAGIC) return CgroupLayout::kUnified;
  if (magic != TMPFS_MAGIC) return CgroupLayout::kNone;
  const std::filesystem::path unified = directory / "unified";
  const bool controllers =
      magic_of(unified) == CGROUP2_SUPER_MAGIC && !line_of(unified / "cgroup.controllers").empty();
  return controllers ? CgroupLayout::kHybrid : CgroupLayout::kV1;
}

std::string_view to_string(CgroupLayout layout) {
  switch (layout) {
    case CgroupLayout::kNone:
      return "none";
    case CgroupLayout::kV1:
      return "version 1";
    case CgroupLayout::kHybrid:
      return "hybrid";
    case CgroupLayout::kUnified:
      return "version 2";
  }
  return "none";
}

Result<Delegation> delegated_cgroup(const std::filesystem::path& proc,
                                    const std::filesystem::path& directory,
                                    std::vector<std::string> controllers) {
  const auto refused = [&](std::string why) {
    return fail(Code::kEnvironment,
                "--memory, --cpus and --pids-limit need a delegated control group: {}", why)
        .hint(kDelegationHint);
  };
  const CgroupLayout layout = cgroup_layout(directory);
  if (layout != CgroupLayout::kUnified)
    return refused(fmt::format("control groups are {} here", to_string(layout)));
  const auto text = read_file(proc / "self/cgroup", kSmall);
  const std::size_t at = text ? text->find("0::/") : std::string::npos;
  if (at == std::string::npos) return refused("/proc/self/cgroup names none of version 2");
  const std::size_t begin = at + 3;
  Delegation out;
  out.path = text->substr(begin, text->find('\n', begin) - begin);
  // What divide_cgroup() made for another launch of ours.
  if (out.path.ends_with(kLeaf))
    out.path.resize(std::max<std::size_t>(out.path.size() - kLeaf.size(), 1));
  out.group = directory / out.path.substr(1);
  for (const char* file : {"", "cgroup.subtree_control", "cgroup.procs"})
    if (::access((out.group / file).c_str(), W_OK) != 0)
      return refused(out.path + " is not owned by the caller");
  const std::string there = line_of(out.group / "cgroup.controllers");
  out.controllers = std::move(controllers);
  for (const std::string& one : out.controllers)
    if (!has_word(there, one))
      return refused(fmt::format("the {} controller is not in {}", one, out.path));
  return out;
}

Result<void> divide_cgroup(const Delegation& delegation) {
  const std::filesystem::path leaf = delegation.group / kLeaf.substr(1);
  if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST)
    return system_error(errno, "cannot create " + leaf.string());
  if (const int error = write_control(leaf / "cgroup.procs", "0"))
    return system_error(error, "cannot move to " + leaf.string());
  for (const std::string& controller : delegation.controllers) {
    const int error = write_control(delegation.group / "cgroup.subtree_control", "+" + controller);
    if (error == EBUSY)
      return fail(Code::kEnvironment,
                  "--memory and --cpus need a control group of their own: other "
                  "processes run in {}",
                  delegation.path)
          .hint("systemd-run --user --scope -p Delegate=yes flense run … starts one there alone");
    if (error != 0)
      return system_error(error, fmt::format("cannot delegate the {} controller in {}", controller,
                                             delegation.path));
  }
  return {};
}

Result<void> join_divided_cgroup(const std::filesystem::path& directory, const std::string& path) {
  const std::filesystem::path leaf =
      directory / std::filesystem::path(path).relative_path().parent_path() / kLeaf.substr(1);
  const int error = write_control(leaf / "cgroup.procs", "0");
  if (error == 0 || error == ENOENT) return {};
  return system_error(error, "the container has limits, and its control group " + path +
                                 " cannot be joined from ours")
      .hint("start it where the container was started, or below: systemd-run --user --scope");
}

int once_alone(const std::function<int()>& call) {
  constexpr auto kLongest = std::chrono::seconds(5);
  constexpr auto kPause = std::chrono::microseconds(50);
  const auto until = std::chrono::steady_clock::now() + kLongest;
  while (call() != 0) {
    if (errno != EINVAL || std::chrono::steady_clock::now() > until) return errno;
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

Error explain_user_namespace(int error, const std::filesystem::path& proc) {
  Error out;
  out.code = Code::kEnvironment;
  out.message = fmt::format("cannot create a user namespace: {}", std::strerror(error));
  const std::filesystem::path sysctl = proc / "sys";
  if (line_of(sysctl / "user/max_user_namespaces") == "0") {
    out.message = "user namespaces are switched off: user.max_user_namespaces is 0";
    out.hint = "ask for: sysctl user.max_user_namespaces=15000";
  } else if (line_of(sysctl / "kernel/unprivileged_userns_clone") == "0") {
    out.message = "user namespaces are for root only: kernel.unprivileged_userns_clone is 0";
    out.hint = "ask for: sysctl kernel.unprivileged_userns_clone=1";
  } else if (line_of(sysctl / "kernel/apparmor_restrict_unprivileged_userns") == "1" &&
             (error == EPERM || error == EACCES)) {
    out.message =
        "AppArmor keeps unprivileged programs from user namespaces "
        "(kernel.apparmor_restrict_unprivileged_userns is 1, as in Ubuntu 24.04)";
    out.hint =
        "ask for an AppArmor profile for flense with the rule \"userns,\", or for "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  } else if (error == ENOSPC || error == EUSERS) {
    out.hint =
        "too many user namespaces: see sysctl user.max_user_namespaces, and end old containers";
  } else if (error == EPERM) {
    out.hint = "a sandbox around us (a container's seccomp filter, a chroot) may forbid it";
  }
  return out;
}

bool has_mount_setattr() {
  return ::syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0) == 0 || errno != ENOSYS;
}

}  // namespace flense::launch
