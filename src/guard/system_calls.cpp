#include "guard/system_calls.h"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>

namespace flense::guard {

namespace {

enum class Answer {
  kRefused,       ///< EPERM
  kAbsent,        ///< ENOSYS: the C library then takes an older call, whose arguments can be seen
  kAttack,        ///< SIGSYS
  kThreadsOnly,   ///< clone: no processes
  kOwnProcess,    ///< the first argument is a process
  kByDescriptor,  ///< the second argument is a path, and has to be null
  kNoCode,        ///< the third argument is a protection: nothing becomes code
  kNoTyping,      ///< ioctl: nothing is typed into the terminal of who called us
};

struct Row {
  int number;
  std::string_view name;
  Answer answer;
};

using enum Answer;

// Numbers that the headers of the build may lack; they are the same on all machines.
constexpr int kCloneThree = 435, kOpenTree = 428, kMoveMount = 429, kFsopen = 430, kFsconfig = 431,
              kFsmount = 432, kFspick = 433, kPidfdOpen = 434, kPidfdGetfd = 438,
              kProcessMadvise = 440, kMountSetattr = 442, kQuotactlFd = 443, kMemfdSecret = 447,
              kFchmodatTwo = 452, kSetxattrat = 463, kRemovexattrat = 466, kOpenTreeAttr = 467;

constexpr auto kRows = std::to_array<Row>({
    {SYS_execve, "execve", kAttack},
    {SYS_execveat, "execveat", kAttack},
    {SYS_ptrace, "ptrace", kAttack},
    {SYS_process_vm_readv, "process_vm_readv", kAttack},
    {SYS_process_vm_writev, "process_vm_writev", kAttack},
    {SYS_kcmp, "kcmp", kAttack},
    {kPidfdOpen, "pidfd_open", kAttack},
    {kPidfdGetfd, "pidfd_getfd", kAttack},
    {SYS_pidfd_send_signal, "pidfd_send_signal", kAttack},
    {kProcessMadvise, "process_madvise", kAttack},
    {SYS_mount, "mount", kAttack},
    {SYS_umount2, "umount2", kAttack},
    {SYS_pivot_root, "pivot_root", kAttack},
    {SYS_chroot, "chroot", kAttack},
    {kOpenTree, "open_tree", kAttack},
    {kOpenTreeAttr, "open_tree_attr", kAttack},
    {kMoveMount, "move_mount", kAttack},
    {kFsopen, "fsopen", kAttack},
    {kFsconfig, "fsconfig", kAttack},
    {kFsmount, "fsmount", kAttack},
    {kFspick, "fspick", kAttack},
    {kMountSetattr, "mount_setattr", kAttack},
    {SYS_unshare, "unshare", kAttack},
    {SYS_setns, "setns", kAttack},
    {SYS_init_module, "init_module", kAttack},
    {SYS_finit_module, "finit_module", kAttack},
    {SYS_delete_module, "delete_module", kAttack},
    {SYS_kexec_load, "kexec_load", kAttack},
    {SYS_kexec_file_load, "kexec_file_load", kAttack},
    {SYS_reboot, "reboot", kAttack},
    {SYS_add_key, "add_key", kAttack},
    {SYS_request_key, "request_key", kAttack},
    {SYS_keyctl, "keyctl", kAttack},
    {SYS_bpf, "bpf", kAttack},
    {SYS_perf_event_open, "perf_event_open", kAttack},
    {SYS_userfaultfd, "userfaultfd", kAttack},
    {SYS_io_uring_setup, "io_uring_setup", kAttack},
    {SYS_open_by_handle_at, "open_by_handle_at", kAttack},
    {SYS_name_to_handle_at, "name_to_handle_at", kAttack},
    {SYS_fanotify_init, "fanotify_init", kAttack},
    {SYS_swapon, "swapon", kAttack},
    {SYS_swapoff, "swapoff", kAttack},
    {SYS_acct, "acct", kAttack},
    {SYS_quotactl, "quotactl", kAttack},
    {kQuotactlFd, "quotactl_fd", kAttack},
    {SYS_syslog, "syslog", kAttack},
    {SYS_settimeofday, "settimeofday", kAttack},
    {SYS_clock_settime, "clock_settime", kAttack},
    {SYS_clock_adjtime, "clock_adjtime", kAttack},
    {SYS_adjtimex, "adjtimex", kAttack},
    {SYS_sethostname, "sethostname", kAttack},
    {SYS_setdomainname, "setdomainname", kAttack},
#ifdef SYS_iopl
    {SYS_iopl, "iopl", kAttack},
    {SYS_ioperm, "ioperm", kAttack},
    {SYS_modify_ldt, "modify_ldt", kAttack},
#endif
    {SYS_setuid, "setuid", kAttack},
    {SYS_setgid, "setgid", kAttack},
    {SYS_setreuid, "setreuid", kAttack},
    {SYS_setregid, "setregid", kAttack},
    {SYS_setresuid, "setresuid", kAttack},
    {SYS_setresgid, "setresgid", kAttack},
    {SYS_setfsuid, "setfsuid", kAttack},
    {SYS_setfsgid, "setfsgid", kAttack},
    {SYS_setgroups, "setgroups", kAttack},
    {SYS_capset, "capset", kAttack},
    {kMemfdSecret, "memfd_secret", kRefused},
    {SYS_socket, "socket", kRefused},
    {SYS_socketpair, "socketpair", kRefused},
    {SYS_connect, "connect", kRefused},
    {SYS_bind, "bind", kRefused},
    {SYS_listen, "listen", kRefused},
    {SYS_accept, "accept", kRefused},
    {SYS_accept4, "accept4", kRefused},
    {SYS_shmget, "shmget", kRefused},
    {SYS_shmat, "shmat", kRefused},
    {SYS_msgget, "msgget", kRefused},
    {SYS_semget, "semget", kRefused},
    {SYS_mq_open, "mq_open", kRefused},
    {SYS_personality, "personality", kRefused},
    {SYS_tkill, "tkill", kRefused},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", kRefused},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", kRefused},
    // Landlock knows of none of these.
    {SYS_truncate, "truncate", kRefused},
    {SYS_fchmod, "fchmod", kRefused},
    {SYS_fchmodat, "fchmodat", kRefused},
    {kFchmodatTwo, "fchmodat2", kRefused},
    {SYS_fchown, "fchown", kRefused},
    {SYS_fchownat, "fchownat", kRefused},
    {SYS_mknodat, "mknodat", kRefused},
    {SYS_setxattr, "setxattr", kRefused},
    {SYS_lsetxattr, "lsetxattr", kRefused},
    {SYS_fsetxattr, "fsetxattr", kRefused},
    {kSetxattrat, "setxattrat", kRefused},
    {SYS_removexattr, "removexattr", kRefused},
    {SYS_lremovexattr, "lremovexattr", kRefused},
    {SYS_fremovexattr, "fremovexattr", kRefused},
    {kRemovexattrat, "removexattrat", kRefused},
#ifdef SYS_fork
    {SYS_fork, "fork", kRefused},
    {SYS_vfork, "vfork", kRefused},
    {SYS_chmod, "chmod", kRefused},
    {SYS_chown, "chown", kRefused},
    {SYS_lchown, "lchown", kRefused},
    {SYS_mknod, "mknod", kRefused},
    {SYS_utime, "utime", kRefused},
    {SYS_utimes, "utimes", kRefused},
    {SYS_futimesat, "futimesat", kRefused},
#endif
    {SYS_utimensat, "utimensat", kByDescriptor},
    {kCloneThree, "clone3", kAbsent},
    {SYS_clone, "clone", kThreadsOnly},
    {SYS_kill, "kill", kOwnProcess},
    {SYS_tgkill, "tgkill", kOwnProcess},
    {SYS_mmap, "mmap", kNoCode},
    {SYS_mprotect, "mprotect", kNoCode},
    {SYS_pkey_mprotect, "pkey_mprotect", kNoCode},
    {SYS_ioctl, "ioctl", kNoTyping},
});

#if defined(__x86_64__)
constexpr std::uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
#error "the filter has no column for this machine"
#endif

constexpr std::uint32_t kRefusal = SECCOMP_RET_ERRNO | EPERM;

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

/// The lower half of an argument, all that flags and numbers have, or the upper one.
sock_filter load_argument(std::size_t index, bool upper = false) {
  static_assert(std::endian::native == std::endian::little);
  return load(offsetof(seccomp_data, args) + index * 8 + (upper ? 4 : 0));
}

sock_filter end(std::uint32_t with) {
  return BPF_STMT(BPF_RET | BPF_K, with);
}

sock_filter jump(unsigned test, std::uint32_t value, unsigned so, unsigned otherwise) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | BPF_K | test), value,
                  static_cast<std::uint8_t>(so), static_cast<std::uint8_t>(otherwise));
}

/// What follows once the number is known; every way through it ends.
std::vector<sock_filter> body_of(Answer answer, pid_t self) {
  switch (answer) {
    case kRefused:
      return {end(kRefusal)};
    case kAbsent:
      return {end(SECCOMP_RET_ERRNO | ENOSYS)};
    case kAttack:
      return {end(SECCOMP_RET_TRAP)};
    case kThreadsOnly:
      return {load_argument(0), jump(BPF_JSET, CLONE_THREAD, 0, 1), end(SECCOMP_RET_ALLOW),
              end(kRefusal)};
    case kOwnProcess:
      return {load_argument(0), jump(BPF_JEQ, static_cast<std::uint32_t>(self), 0, 1),
              end(SECCOMP_RET_ALLOW), end(kRefusal)};
    case kByDescriptor:
      return {load_argument(1),       jump(BPF_JEQ, 0, 0, 3), load_argument(1, true),
              jump(BPF_JEQ, 0, 0, 1), end(SECCOMP_RET_ALLOW), end(kRefusal)};
    case kNoCode:
      return {load_argument(2), jump(BPF_JSET, PROT_EXEC, 0, 1), end(kRefusal),
              end(SECCOMP_RET_ALLOW)};
    case kNoTyping:
      return {load_argument(1), jump(BPF_JEQ, TIOCSTI, 1, 0), jump(BPF_JEQ, TIOCLINUX, 0, 1),
              end(kRefusal), end(SECCOMP_RET_ALLOW)};
  }
  return {};
}

}  // namespace

std::vector<sock_filter> call_filter(pid_t self) {
  constexpr std::size_t kMost = 512;
  std::vector<sock_filter> out;
  out.reserve(kMost);
  out.push_back(load(offsetof(seccomp_data, arch)));
  out.push_back(jump(BPF_JEQ, kMachine, 1, 0));
  // The numbers of 32-bit programs are others.
  out.push_back(end(SECCOMP_RET_KILL_PROCESS));
  out.push_back(load(offsetof(seccomp_data, nr)));
#if defined(__x86_64__)
  constexpr std::uint32_t kX32 = 0x40000000;
  out.push_back(jump(BPF_JGE, kX32, 0, 1));
  out.push_back(end(SECCOMP_RET_KILL_PROCESS));
#endif
  for (const Row& row : kRows) {
    const std::vector<sock_filter> body = body_of(row.answer, self);
    out.push_back(jump(BPF_JEQ, static_cast<std::uint32_t>(row.number), 0,
                       static_cast<unsigned>(body.size())));
    out.insert(out.end(), body.begin(), body.end());
  }
  out.push_back(end(SECCOMP_RET_ALLOW));
  return out;
}

std::string_view refused_call(int number) {
  const auto row = std::ranges::find(kRows, number, &Row::number);
  return row == kRows.end() ? std::string_view() : row->name;
}

}  // namespace flense::guard
