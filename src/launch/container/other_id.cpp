#include "launch/container/other_id.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/accounts.h"

namespace flense::launch {

namespace {

constexpr const char* kCommon = "/run/flense";
/// Those that systemd leaves to containers (systemd's "Users, Groups, UIDs and GIDs").
constexpr std::uint32_t kFirst = 524'288, kLast = 1'879'048'191;

Result<std::uint32_t> draw() {
  const auto passwd = read_file("/etc/passwd", kMaxAccounts);
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    std::uint32_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != sizeof value)
      return system_error(errno, "cannot pick a random id");
    value = kFirst + value % (kLast - kFirst);
    if (!passwd || !find_account(*passwd, value)) return value;
  }
  return fail(Code::kEnvironment, "every id that was tried is in use");
}

Result<void> write_map(pid_t process, const char* name, std::uint32_t id) {
  const std::string path = fmt::format("/proc/{}/{}", process, name);
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return system_error(errno, "cannot open " + path);
  return write_fully(fd.get(), as_bytes(fmt::format("0 {} 1", id)), path);
}

/// The namespace of a child that does nothing else.
Result<UniqueFd> namespace_of(pid_t child, std::uint32_t id) {
  TRY_DO(write_map(child, "uid_map", id));
  TRY_DO(write_map(child, "gid_map", id));
  UniqueFd out(::open(fmt::format("/proc/{}/ns/user", child).c_str(), O_RDONLY | O_CLOEXEC));
  if (!out) return system_error(errno, "cannot open a user namespace");
  return out;
}

Result<UniqueFd> make_map(std::uint32_t id) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return system_error(errno, "cannot create a pipe");
  UniqueFd made(ends[0]), making(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return system_error(errno, "cannot start a process");
  if (child == 0) {
    made = UniqueFd();
    char word = ::unshare(CLONE_NEWUSER) == 0 ? 1 : 0;
    // Until the other end is closed, by us or by our death.
    if (::write(making.get(), &word, 1) == 1) static_cast<void>(::read(making.get(), &word, 1) < 0);
    ::_exit(0);
  }
  making = UniqueFd();
  char byte = 0;
  const bool unshared = ::read(made.get(), &byte, 1) == 1 && byte == 1;
  Result<UniqueFd> out = unshared ? namespace_of(child, id)
                                  : fail(Code::kEnvironment, "cannot create a user namespace");
  made = UniqueFd();
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return out;
}

Result<void> make_common(const char* path) {
  if (::mkdir(path, 0755) != 0 && errno != EEXIST)
    return system_error(errno, fmt::format("cannot create {}", path));
  struct stat status{};
  // Whatever the umask is: everybody must be able to pass through.
  if (::lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == 0 &&
      (status.st_mode & 07777U) == 0700U)
    ::chmod(path, 0755);
  if (::lstat(path, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != 0 ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Code::kEnvironment, "{} is not a directory that root alone can write to", path);
  return {};
}

}  // namespace

Result<OtherId> draw_other_id() {
  if (::geteuid() != 0)
    return fail(Code::kUsage, "--userns auto is for root, who can assign ids")
        .hint("without root a container has no id but yours; --sub-ids uses those of /etc/subuid");
  OtherId out;
  TRY(out.id, draw());
  TRY(out.map, make_map(out.id));
  return out;
}

Result<UniqueFd> mount_for(const OtherId& other, const std::filesystem::path& directory) {
  UniqueFd out(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!out) return system_error(errno, "cannot bind " + directory.string());
  struct mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes.userns_fd = static_cast<unsigned>(other.map.get());
  if (::syscall(SYS_mount_setattr, out.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) !=
      0)
    return system_error(errno, "cannot map the owners in " + directory.string())
        .hint("FLENSE_CACHE=DIR on ext4, xfs or btrfs, with Linux 5.12 or newer");
  return out;
}

Result<std::filesystem::path> open_common_stage() {
  TRY_DO(make_common(kCommon));
  const std::filesystem::path out = std::filesystem::path(kCommon) / "stage";
  TRY_DO(make_common(out.c_str()));
  return out;
}

Result<void> become_other_id(std::uint32_t id) {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(id, id, id) != 0 || ::setresuid(id, id, id) != 0)
    return system_error(errno, fmt::format("cannot become the id {}", id));
  // Otherwise /proc/self belongs to root, and so do the maps of the namespace that comes next.
  if (::prctl(PR_SET_DUMPABLE, 1) != 0) return system_error(errno, "cannot become another id");
  return {};
}

}  // namespace flense::launch
