#include "guard/system_calls.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "support/call_filter.h"

namespace flense::guard {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kHere = AUDIT_ARCH_X86_64, kElsewhere = AUDIT_ARCH_I386;
#else
constexpr std::uint32_t kHere = AUDIT_ARCH_AARCH64, kElsewhere = AUDIT_ARCH_ARM;
#endif
constexpr pid_t kSelf = 4711;
constexpr std::uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;

/// confine_test.cpp asks the real kernel.
std::uint32_t answer_of(long number, std::array<std::uint64_t, 6> arguments = {},
                        std::uint32_t machine = kHere) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = machine;
  std::memcpy(data.args, arguments.data(), sizeof data.args);
  return testing::answer_of(call_filter(kSelf), data);
}

TEST(SystemCalls, ByNumber) {
  EXPECT_LE(call_filter(kSelf).size(), std::size_t{BPF_MAXINSNS});
  for (const long number : {SYS_execve, SYS_execveat, SYS_ptrace, SYS_mount, SYS_bpf, SYS_setuid})
    EXPECT_EQ(answer_of(number), std::uint32_t{SECCOMP_RET_TRAP}) << number;
  for (const long number : {SYS_socket, SYS_connect, SYS_fchmodat, SYS_mknodat, SYS_truncate})
    EXPECT_EQ(answer_of(number), kRefused) << number;
  for (const long number : {SYS_read, SYS_openat, SYS_futex, SYS_exit_group, SYS_unlinkat})
    EXPECT_EQ(answer_of(number), std::uint32_t{SECCOMP_RET_ALLOW}) << number;
  EXPECT_EQ(answer_of(435), SECCOMP_RET_ERRNO | std::uint32_t{ENOSYS});  // clone3
  EXPECT_EQ(answer_of(SYS_read, {}, kElsewhere), std::uint32_t{SECCOMP_RET_KILL_PROCESS});
#if defined(__x86_64__)
  EXPECT_EQ(answer_of(SYS_fork), kRefused);
  EXPECT_EQ(answer_of(SYS_chmod), kRefused);
  EXPECT_EQ(answer_of(0x40000000 + SYS_read), std::uint32_t{SECCOMP_RET_KILL_PROCESS});
#endif
}

TEST(SystemCalls, ByArguments) {
  EXPECT_EQ(answer_of(SYS_clone, {CLONE_VM | CLONE_THREAD}), std::uint32_t{SECCOMP_RET_ALLOW});
  EXPECT_EQ(answer_of(SYS_clone, {CLONE_VM}), kRefused);
  EXPECT_EQ(answer_of(SYS_tgkill, {kSelf}), std::uint32_t{SECCOMP_RET_ALLOW});
  EXPECT_EQ(answer_of(SYS_kill, {kSelf + 1}), kRefused);
  EXPECT_EQ(answer_of(SYS_utimensat, {3, 0}), std::uint32_t{SECCOMP_RET_ALLOW});
  EXPECT_EQ(answer_of(SYS_utimensat, {3, std::uint64_t{1} << 40}), kRefused);
  EXPECT_EQ(answer_of(SYS_mmap, {0, 4096, PROT_READ}), std::uint32_t{SECCOMP_RET_ALLOW});
  EXPECT_EQ(answer_of(SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC}), kRefused);
  EXPECT_EQ(answer_of(SYS_ioctl, {0, TCGETS}), std::uint32_t{SECCOMP_RET_ALLOW});
  EXPECT_EQ(answer_of(SYS_ioctl, {0, TIOCSTI}), kRefused);
}

}  // namespace
}  // namespace flense::guard
