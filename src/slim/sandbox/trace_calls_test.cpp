#include "slim/sandbox/trace_calls.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <set>

#include "support/call_filter.h"

namespace flense::slim {
namespace {

std::uint32_t answer_of(const std::vector<sock_filter>& program, std::uint32_t architecture,
                        std::uint32_t number) {
  seccomp_data call{};
  call.nr = static_cast<int>(number);
  call.arch = architecture;
  return testing::answer_of(program, call);
}

#if defined(__x86_64__)
constexpr std::uint32_t kHere = AUDIT_ARCH_X86_64, kElsewhere = AUDIT_ARCH_I386;
#else
constexpr std::uint32_t kHere = AUDIT_ARCH_AARCH64, kElsewhere = AUDIT_ARCH_ARM;
#endif

TEST(TraceCalls, EachOnceAndWithinItsArguments) {
  std::set<int> numbers;
  std::set<std::string_view> names;
  for (const TracedCall& call : traced_calls()) {
    EXPECT_TRUE(numbers.insert(call.number).second) << call.name;
    EXPECT_TRUE(names.insert(call.name).second) << call.name;
    EXPECT_LT(call.directory, 6);
    EXPECT_LT(call.path, 6);
    EXPECT_LT(call.flags, 6);
    EXPECT_EQ(traced_call(kHere, static_cast<std::uint64_t>(call.number)), &call);
  }
  EXPECT_EQ(traced_call(kHere, SYS_read), nullptr);
  EXPECT_EQ(traced_call(kElsewhere, SYS_openat), nullptr);
}

TEST(TraceCalls, TheFilterStopsAtThemAlone) {
  const std::vector<sock_filter> filter = trace_filter();
  EXPECT_LE(filter.size(), std::size_t{BPF_MAXINSNS});
  for (const TracedCall& call : traced_calls())
    EXPECT_EQ(answer_of(filter, kHere, static_cast<std::uint32_t>(call.number)), SECCOMP_RET_TRACE)
        << call.name;
  for (const int number : {SYS_read, SYS_write, SYS_close, SYS_mmap, SYS_futex, SYS_ioctl})
    EXPECT_EQ(answer_of(filter, kHere, static_cast<std::uint32_t>(number)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer_of(filter, kElsewhere, SYS_read), SECCOMP_RET_TRACE);
  EXPECT_EQ(answer_of(filter, kHere, SYS_io_uring_setup),
            static_cast<std::uint32_t>(SECCOMP_RET_ERRNO | ENOSYS));
#if defined(__x86_64__)
  EXPECT_EQ(answer_of(filter, kHere, 0x40000000 + SYS_read), SECCOMP_RET_TRACE);
  EXPECT_FALSE(is_native_call(kHere, 0x40000000 + SYS_openat));
#endif
}

}  // namespace
}  // namespace flense::slim
