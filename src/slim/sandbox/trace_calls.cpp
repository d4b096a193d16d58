#include "slim/sandbox/trace_calls.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

namespace flense::slim {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kNativeArchitecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kForeignNumbers = 0x40000000;  // x32 shares the architecture's word
#elif defined(__aarch64__)
constexpr std::uint32_t kNativeArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kForeignNumbers = 0x80000000;  // none
#else
#error "add this architecture's AUDIT_ARCH word"
#endif

using Kind = TracedCall::Kind;
using Last = TracedCall::LastLink;

/// What every architecture has, and, where it has them, the older calls without a descriptor.
constexpr auto kTracedCalls = std::to_array<TracedCall>({
    {SYS_openat, "openat", Kind::kUse, 0, 1, Last::kFollowedUnlessFlag, 2, O_NOFOLLOW},
    {SYS_openat2, "openat2", Kind::kUse, 0, 1, Last::kFollowedUnlessFlagInMemory, 2, O_NOFOLLOW},
    {SYS_readlinkat, "readlinkat", Kind::kUse, 0, 1, Last::kKept},
    {SYS_execve, "execve", Kind::kExecute, -1, 0},
    {SYS_execveat, "execveat", Kind::kExecute, 0, 1, Last::kFollowedUnlessFlag, 4,
     AT_SYMLINK_NOFOLLOW},
    {SYS_newfstatat, "newfstatat", Kind::kLook, 0, 1, Last::kFollowedUnlessFlag, 3,
     AT_SYMLINK_NOFOLLOW},
    {SYS_statx, "statx", Kind::kLook, 0, 1, Last::kFollowedUnlessFlag, 2, AT_SYMLINK_NOFOLLOW},
    {SYS_faccessat, "faccessat", Kind::kLook, 0, 1},
    {SYS_faccessat2, "faccessat2", Kind::kLook, 0, 1, Last::kFollowedUnlessFlag, 3,
     AT_SYMLINK_NOFOLLOW},
    {SYS_chdir, "chdir", Kind::kLook, -1, 0},
    {SYS_statfs, "statfs", Kind::kLook, -1, 0},
    {SYS_getxattr, "getxattr", Kind::kLook, -1, 0},
    {SYS_lgetxattr, "lgetxattr", Kind::kLook, -1, 0, Last::kKept},
    {SYS_listxattr, "listxattr", Kind::kLook, -1, 0},
    {SYS_llistxattr, "llistxattr", Kind::kLook, -1, 0, Last::kKept},
    {SYS_inotify_add_watch, "inotify_add_watch", Kind::kLook, -1, 1},
    {SYS_name_to_handle_at, "name_to_handle_at", Kind::kLook, 0, 1, Last::kKeptUnlessFlag, 4,
     AT_SYMLINK_FOLLOW},
    // Of the calls that change something only what they find there: a read-only root refuses them.
    {SYS_truncate, "truncate", Kind::kLook, -1, 0},
    {SYS_fchmodat, "fchmodat", Kind::kLook, 0, 1},
    {SYS_fchownat, "fchownat", Kind::kLook, 0, 1, Last::kFollowedUnlessFlag, 4,
     AT_SYMLINK_NOFOLLOW},
    {SYS_utimensat, "utimensat", Kind::kLook, 0, 1, Last::kFollowedUnlessFlag, 3,
     AT_SYMLINK_NOFOLLOW},
    {SYS_mkdirat, "mkdirat", Kind::kLook, 0, 1, Last::kKept},
    {SYS_linkat, "linkat", Kind::kLook, 0, 1, Last::kKeptUnlessFlag, 4, AT_SYMLINK_FOLLOW},
    {SYS_renameat2, "renameat2", Kind::kLook, 0, 1, Last::kKept},
    {SYS_unlinkat, "unlinkat", Kind::kLook, 0, 1, Last::kKept},
    {SYS_chroot, "chroot", Kind::kRoot},
    {SYS_pivot_root, "pivot_root", Kind::kRoot},
    {SYS_mount, "mount", Kind::kRoot},
    {SYS_move_mount, "move_mount", Kind::kRoot},
#if defined(SYS_renameat)
    {SYS_renameat, "renameat", Kind::kLook, 0, 1, Last::kKept},
#endif
#if defined(SYS_open)
    {SYS_open, "open", Kind::kUse, -1, 0, Last::kFollowedUnlessFlag, 1, O_NOFOLLOW},
    {SYS_creat, "creat", Kind::kUse, -1, 0},
    {SYS_readlink, "readlink", Kind::kUse, -1, 0, Last::kKept},
    {SYS_stat, "stat", Kind::kLook, -1, 0},
    {SYS_lstat, "lstat", Kind::kLook, -1, 0, Last::kKept},
    {SYS_access, "access", Kind::kLook, -1, 0},
    {SYS_chmod, "chmod", Kind::kLook, -1, 0},
    {SYS_chown, "chown", Kind::kLook, -1, 0},
    {SYS_lchown, "lchown", Kind::kLook, -1, 0, Last::kKept},
    {SYS_utime, "utime", Kind::kLook, -1, 0},
    {SYS_utimes, "utimes", Kind::kLook, -1, 0},
    {SYS_futimesat, "futimesat", Kind::kLook, 0, 1},
    {SYS_mkdir, "mkdir", Kind::kLook, -1, 0, Last::kKept},
    {SYS_rmdir, "rmdir", Kind::kLook, -1, 0, Last::kKept},
    {SYS_link, "link", Kind::kLook, -1, 0, Last::kKept},
    {SYS_rename, "rename", Kind::kLook, -1, 0, Last::kKept},
    {SYS_unlink, "unlink", Kind::kLook, -1, 0, Last::kKept},
#endif
});

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

constexpr sock_filter answer(std::uint32_t action) {
  return BPF_STMT(BPF_RET | BPF_K, action);
}

/// Goes on behind the next instruction unless the test holds.
constexpr sock_filter next_if(std::uint16_t test, std::uint32_t value) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, 0, 1);
}

}  // namespace

std::span<const TracedCall> traced_calls() {
  return kTracedCalls;
}

bool is_native_call(std::uint32_t architecture, std::uint64_t number) {
  return architecture == kNativeArchitecture && number < kForeignNumbers;
}

const TracedCall* traced_call(std::uint32_t architecture, std::uint64_t number) {
  if (!is_native_call(architecture, number)) return nullptr;
  const auto* const found = std::ranges::find(kTracedCalls, number, [](const TracedCall& call) {
    return static_cast<std::uint64_t>(call.number);
  });
  return found == kTracedCalls.end() ? nullptr : found;
}

std::vector<sock_filter> trace_filter() {
  std::vector<sock_filter> out = {
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNativeArchitecture, 1, 0),
      answer(SECCOMP_RET_TRACE),
      load(offsetof(seccomp_data, nr)),
      next_if(BPF_JGE, kForeignNumbers),
      answer(SECCOMP_RET_TRACE),
      next_if(BPF_JEQ, SYS_io_uring_setup),
      answer(SECCOMP_RET_ERRNO | ENOSYS),
  };
  for (const TracedCall& call : kTracedCalls) {
    out.push_back(next_if(BPF_JEQ, static_cast<std::uint32_t>(call.number)));
    out.push_back(answer(SECCOMP_RET_TRACE));
  }
  out.push_back(answer(SECCOMP_RET_ALLOW));
  return out;
}

}  // namespace flense::slim
