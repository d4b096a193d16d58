#include "launch/host_kernel.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kSmall = 64u << 10;

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

Result<std::string> delegated_cgroup(const std::filesystem::path& proc,
                                     const std::filesystem::path& directory, bool memory,
                                     bool cpu) {
  constexpr const char* kHint =
      "let the batch system set limits, or start below: systemd-run --user --scope -p Delegate=yes";
  const auto refused = [&](std::string why) {
    return std::unexpected(Error{Code::kEnvironment,
                                 "--memory and --cpus need a delegated control group: " + why,
                                 {},
                                 kHint});
  };
  const CgroupLayout layout = cgroup_layout(directory);
  if (layout != CgroupLayout::kUnified)
    return refused(fmt::format("control groups are {} here", to_string(layout)));
  const auto text = read_file(proc / "self/cgroup", kSmall);
  const std::size_t at = text ? text->find("0::/") : std::string::npos;
  if (at == std::string::npos) return refused("/proc/self/cgroup names none of version 2");
  const std::size_t begin = at + 3;
  std::string own = text->substr(begin, text->find('\n', begin) - begin);
  const std::filesystem::path place = directory / own.substr(1);
  if (::access(place.c_str(), W_OK) != 0 ||
      ::access((place / "cgroup.subtree_control").c_str(), W_OK) != 0)
    return refused(own + " is not the caller's");
  const std::string controllers = line_of(place / "cgroup.controllers");
  if (memory && !has_word(controllers, "memory"))
    return refused("the memory controller is not in " + own);
  if (cpu && !has_word(controllers, "cpu")) return refused("the cpu controller is not in " + own);
  return own;
}

Error explain_user_namespace(int error, const std::filesystem::path& proc) {
  Error out;
  out.code = Code::kEnvironment;
  out.message = fmt::format("cannot make a user namespace: {}", std::strerror(error));
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

}  // namespace flense::launch
