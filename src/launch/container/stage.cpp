#include "launch/container/stage.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/become.h"
#include "base/cache_places.h"
#include "base/file.h"
#include "base/path.h"
#include "launch/container/host_kernel.h"
#include "launch/container/other_id.h"
#include "launch/rootfs/in_root.h"

namespace flense::launch {

namespace {

constexpr const char* kUnified = "/sys/fs/cgroup/unified";

Result<void> write_word(const char* path, const std::string& text) {
  const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd) return system_error(errno, fmt::format("cannot open {}", path));
  return write_fully(fd.get(), as_bytes(text), path);
}

Result<void> make_directory(const std::filesystem::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    return system_error(errno, "cannot create " + path.string());
  return {};
}

Result<void> mount_memory(const std::filesystem::path& place, const char* options) {
  if (::mount("tmpfs", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
    return system_error(errno, "cannot mount a tmpfs on " + place.string());
  return {};
}

/// Flags of the mount that a remount in a user namespace must repeat.
unsigned long locked_flags(const std::filesystem::path& path) {
  struct statvfs found{};
  if (::statvfs(path.c_str(), &found) != 0) return 0;
  unsigned long out = 0;
  if ((found.f_flag & ST_NODEV) != 0) out |= MS_NODEV;
  if ((found.f_flag & ST_NOSUID) != 0) out |= MS_NOSUID;
  if ((found.f_flag & ST_NOEXEC) != 0) out |= MS_NOEXEC;
  if ((found.f_flag & ST_NOATIME) != 0) out |= MS_NOATIME;
  if ((found.f_flag & ST_NODIRATIME) != 0) out |= MS_NODIRATIME;
  if ((found.f_flag & ST_RELATIME) != 0) out |= MS_RELATIME;
  return out;
}

Result<void> make_read_only(const std::filesystem::path& path) {
  struct mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), AT_RECURSIVE, &attributes,
                sizeof attributes) == 0)
    return {};
  if (errno != ENOSYS) return system_error(errno, "cannot make the root read-only");
  // Before Linux 5.12.
  if (::mount(nullptr, path.c_str(), nullptr,
              MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | locked_flags(path),
              nullptr) != 0)
    return system_error(errno, "cannot make the root read-only");
  return {};
}

/// Makes `path` in the skeleton, its directories with the modes that the root's have.
Result<void> add_to_skeleton(const std::filesystem::path& skeleton, int root,
                             const MissingTarget& target) {
  std::string above(parent_path(target.path));
  std::string rest(base_name(target.path));
  while (!above.empty() && kind_in_root(root, above) == FileKind::kMissing) {
    rest = std::string(base_name(above)) + "/" + rest;
    above = parent_path(above);
  }
  TRY(const std::string real, real_path_in_root(root, above));
  std::filesystem::path at = skeleton;
  std::string inside;
  for (const auto& part : std::filesystem::path(real)) {
    at /= part;
    if (!inside.empty()) inside += '/';
    inside += part.string();
    TRY(const UniqueFd fd, open_in_root(root, inside, O_PATH));
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return system_error(errno, "cannot read /" + inside);
    TRY_DO(make_directory(at, 0755));
    if (::chmod(at.c_str(), status.st_mode & 07777U) != 0)
      return system_error(errno, "cannot set a mode");
  }
  const std::filesystem::path below(rest);
  for (auto part = below.begin(); part != below.end(); ++part) {
    at /= *part;
    const bool last = std::next(part) == below.end();
    if (!last || target.directory) {
      TRY_DO(make_directory(at, 0755));
    } else if (::mknod(at.c_str(), S_IFREG | 0644, 0) != 0 && errno != EEXIST) {
      return system_error(errno, "cannot create " + at.string());
    }
  }
  return {};
}

/// `root` as the source says to who looks at mounts what this one is made of: the layers are named
/// by descriptors.
Result<void> mount_overlay(const std::filesystem::path& root, const std::filesystem::path& target,
                           const std::string& options, unsigned long flags) {
  if (::mount(root.c_str(), target.c_str(), "overlay", flags, options.c_str()) == 0) return {};
  const int error = errno;
  return system_error(error, "cannot mount an overlay in a user namespace")
      .hint(error == EINVAL
                // The kernel keeps what is mounted there together with the place below it.
                ? fmt::format("file systems are mounted below {}: run it without them (as root: "
                              "mount --bind {} PLACE), or mount only on places that it has",
                              root.string(), root.string())
                : "that needs Linux 5.11; without it mount only on places that the image has");
}

/// A mount that is attached nowhere gets a place.
Result<std::filesystem::path> attach(int tree, const std::filesystem::path& place) {
  TRY_DO(make_directory(place, 0755));
  if (::syscall(SYS_move_mount, tree, "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return system_error(errno, "cannot attach a mount to " + place.string());
  return place;
}

}  // namespace

Result<void> make_skeleton(const std::filesystem::path& skeleton, const UniqueFd& root,
                           const std::vector<MissingTarget>& missing) {
  TRY_DO(make_directory(skeleton, 0755));
  struct stat status{};
  if (::fstat(root.get(), &status) != 0) return system_error(errno, "cannot read the root");
  if (::chmod(skeleton.c_str(), status.st_mode & 07777U) != 0)
    return system_error(errno, "cannot set a mode");
  for (const MissingTarget& target : missing)
    TRY_DO(with_context(add_to_skeleton(skeleton, root.get(), target), "making /{}", target.path));
  return {};
}

namespace {

Result<void> mount_with_skeleton(const StagePlan& plan, const std::filesystem::path& lower,
                                 const std::filesystem::path& target) {
  const std::filesystem::path skeleton = plan.place / "skeleton";
  // Named by descriptors: paths with ':' and ',' would need escapes.
  const UniqueFd root(::open(lower.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return system_error(errno, "cannot open " + lower.string());
  TRY_DO(make_skeleton(skeleton, root, plan.missing));
  const UniqueFd top(::open(skeleton.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return system_error(errno, "cannot open " + skeleton.string());
  return mount_overlay(
      lower, target,
      fmt::format("lowerdir=/proc/self/fd/{}:/proc/self/fd/{},xino=off", top.get(), root.get()),
      MS_RDONLY | MS_NOSUID | MS_NODEV);
}

Result<void> mount_writable(const StagePlan& plan, const std::filesystem::path& lower,
                            const std::filesystem::path& target) {
  std::filesystem::path changes = plan.overlay;
  if (changes.empty()) {
    changes = plan.place / "changes";
    TRY_DO(make_directory(changes, 0755));
    TRY_DO(mount_memory(changes, "mode=0755"));
  }
  TRY_DO(mount_changes(lower, changes, target));
  const UniqueFd root(::open(target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return system_error(errno, "cannot open " + target.string());
  for (const MissingTarget& missing : plan.missing)
    TRY_DO(make_directories_in_root(root.get(), missing.path));
  return {};
}

Result<void> take_groups(const std::vector<std::uint32_t>& groups) {
  if (groups.empty()) return {};
  const int count = ::getgroups(0, nullptr);
  std::vector<gid_t> all(static_cast<std::size_t>(std::max(0, count)));
  if (count < 0 || ::getgroups(count, all.data()) != count)
    return system_error(errno, "cannot read the groups");
  all.insert(all.end(), groups.begin(), groups.end());
  if (::setgroups(all.size(), all.data()) != 0)
    return system_error(errno, "cannot take the groups of --group-add");
  return {};
}

Result<void> mount_plain(const std::filesystem::path& root, const std::filesystem::path& target) {
  // Recursive: mounts below it are locked together with it.
  if (::mount(root.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return system_error(errno, "cannot bind " + root.string());
  return make_read_only(target);
}

Result<void> unshare_namespaces(bool pids) {
  const int flags = CLONE_NEWUSER | CLONE_NEWNS | (pids ? CLONE_NEWPID : 0);
  if (const int error = once_alone([flags] { return ::unshare(flags); }))
    return std::unexpected(explain_user_namespace(error, "/proc"));
  return {};
}

/// In one, a nested user namespace could mount the host's control groups, writable where they are
/// the caller's, and end or freeze what runs in them. The limit is of our namespace and all below.
Result<void> forbid_cgroup_namespaces() {
  constexpr const char* kLimit = "/proc/sys/user/max_cgroup_namespaces";
  if (::access(kLimit, F_OK) != 0) return {};
  return write_word(kLimit, "0");
}

/// The PID namespace that this process is in, for crun.
Result<void> mount_processes() {
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) return {};
  return system_error(errno, "cannot mount a /proc for --die-with-parent")
      .hint("in a container whose own /proc is partly covered the kernel allows none");
}

Result<void> keep_mounted(const std::filesystem::path& kept, const std::filesystem::path& target) {
  struct stat status{};
  if (::stat(kept.c_str(), &status) != 0)
    return system_error(errno, "cannot read " + kept.string());
  if (S_ISDIR(status.st_mode))
    TRY_DO(make_directory(target, 0755));
  else
    TRY_DO(write_new_file(target, ""));
  if (::mount(kept.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return system_error(errno, "cannot bind " + kept.string());
  return {};
}

}  // namespace

std::filesystem::path staged_root(const std::filesystem::path& place) {
  return place / "root";
}

Result<void> enter_namespaces(bool pids) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  TRY_DO(unshare_namespaces(pids));
  // Supplementary groups stay, since unprivileged users cannot set others.
  TRY_DO(write_word("/proc/self/setgroups", "deny"));
  TRY_DO(write_word("/proc/self/uid_map", fmt::format("0 {} 1", uid)));
  return write_word("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

namespace {

/// The directory itself, made where it is missing. A container that had it in reach may have put a
/// link there, or somebody else his own.
Result<UniqueFd> open_changes(const std::filesystem::path& changes, const char* name) {
  const UniqueFd above(::open(changes.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!above) return system_error(errno, "cannot open " + changes.string());
  if (::mkdirat(above.get(), name, 0755) != 0 && errno != EEXIST)
    return system_error(errno, "cannot create " + (changes / name).string());
  UniqueFd out(::openat(above.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!out || ::fstat(out.get(), &status) != 0)
    return system_error(errno, "cannot open " + (changes / name).string());
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Code::kEnvironment, "{} is not yours, or others may write to it",
                (changes / name).string());
  return out;
}

}  // namespace

Result<void> mount_changes(const std::filesystem::path& root, const std::filesystem::path& changes,
                           const std::filesystem::path& target) {
  TRY(const UniqueFd upper, open_changes(changes, "upper"));
  TRY(const UniqueFd work, open_changes(changes, "work"));
  // Named by descriptors: paths with ':' and ',' would need escapes.
  const UniqueFd lower(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!lower) return system_error(errno, "cannot open " + root.string());
  return mount_overlay(
      root, target,
      fmt::format("lowerdir=/proc/self/fd/{},upperdir=/proc/self/fd/{},workdir=/proc/self/fd/{},"
                  "userxattr,xino=off",
                  lower.get(), upper.get(), work.get()),
      MS_NOSUID | MS_NODEV);
}

Result<void> mount_stage(const StagePlan& plan) {
  if (plan.cover_unified) TRY_DO(mount_memory(kUnified, "mode=0755,size=64k"));
  TRY_DO(mount_memory(plan.place, "mode=0700,size=64m"));
  for (const auto& [name, text] : plan.files) TRY_DO(write_new_file(plan.place / name, text));
  for (std::size_t i = 0; i < plan.kept.size(); ++i)
    TRY_DO(keep_mounted(plan.kept[i], plan.place / fmt::format("kept-{}", i)));
  const std::filesystem::path target = staged_root(plan.place);
  TRY_DO(make_directory(target, 0755));
  for (const auto& [name, tree] : plan.trees) TRY_DO(attach(tree, plan.place / name));
  std::filesystem::path root = plan.root;
  if (plan.mounted_root >= 0) {
    TRY(root, attach(plan.mounted_root, plan.place / "image"));
  }
  if (plan.writable) return mount_writable(plan, root, target);
  return plan.missing.empty() ? mount_plain(root, target) : mount_with_skeleton(plan, root, target);
}

Result<void> become_engine(const std::vector<std::string>& argv) {
  const char* path = std::getenv("PATH");
  const NextProgram engine(argv.front(), argv,
                           {fmt::format("PATH={}", path == nullptr ? "/usr/bin:/bin" : path)});
  if (::chdir("/") != 0) return system_error(errno, "cannot change to /");
  return system_error(engine.become(), "cannot start " + argv.front());
}

int become_command(const std::vector<std::string>& argv) {
  constexpr int kCannotExecute = 126, kNotFound = 127;
  const std::string& name = argv.front();
  const bool named_by_path = name.find('/') != std::string::npos;
  const char* path = std::getenv("PATH");
  std::string_view rest = named_by_path ? "." : path == nullptr ? "" : path;
  int error = ENOENT;
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    const std::string program =
        named_by_path ? name : fmt::format("{}/{}", directory.empty() ? "." : directory, name);
    const int here = NextProgram(program, argv, environment_here()).become();
    if (here != ENOENT && here != ENOTDIR) error = here;
  }
  return error == ENOENT ? kNotFound : kCannotExecute;
}

Result<int> start_stage(const StagePlan& plan) {
  // What is created for the container must be accessible to its other ids.
  ::umask(S_IWGRP | S_IWOTH);
  const bool pids = plan.supervise && plan.supervise->die_with_parent;
  if (plan.delegation) TRY_DO(divide_cgroup(*plan.delegation));
  TRY_DO(take_groups(plan.groups));
  if (plan.other_id) TRY_DO(become_other_id(*plan.other_id));
  if (plan.sub_ids)
    TRY_DO(enter_with_sub_ids(*plan.sub_ids, [&] { return unshare_namespaces(pids); }));
  else
    TRY_DO(enter_namespaces(pids));
  if (!plan.cgroup_namespaces) TRY_DO(forbid_cgroup_namespaces());
  TRY_DO(mount_stage(plan));
  const auto become = [&]() -> Result<void> {
    if (pids) TRY_DO(mount_processes());
    return become_engine(plan.argv);
  };
  if (plan.supervise) return supervise(*plan.supervise, become);
  TRY_DO(become());
  return 0;
}

Result<void> check_overlay_place(const std::filesystem::path& directory) {
  struct statfs found{};
  if (::statfs(directory.c_str(), &found) != 0)
    return system_error(errno, "cannot use --overlay " + directory.string());
  const auto magic = static_cast<std::uint32_t>(found.f_type);
  if (on_network_file_system(directory) || magic == FUSE_SUPER_MAGIC ||
      magic == OVERLAYFS_SUPER_MAGIC)
    return fail(Code::kEnvironment,
                "--overlay {}: an overlay cannot keep its changes on a "
                "network file system, on FUSE or on another overlay",
                directory.string())
        .hint("name a directory on a local disk");
  return {};
}

}  // namespace flense::launch
