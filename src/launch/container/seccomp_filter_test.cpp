// The filter as the OCI specification writes it, and that the compiled one matches it.
#include "launch/container/seccomp_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "image/model/platform.h"

namespace flense::launch {
namespace {

/// Action and errno of each call that has a rule without conditions.
std::map<std::string, std::string> actions(const FilterInput& input) {
  const auto rules = seccomp_rules();
  if (!rules) return {};
  std::map<std::string, std::string> out;
  const text::Json section = seccomp_section(*rules, input);
  for (const text::Json& rule : section["syscalls"].items()) {
    if (!rule["args"].items().empty()) continue;
    for (const text::Json& name : rule["names"].items()) {
      const std::string action =
          fmt::format("{} {}", rule["action"].text().substr(9), rule["errnoRet"].integer_or(-1));
      EXPECT_TRUE(out.emplace(name.text(), action).second) << name.text();
    }
  }
  return out;
}

TEST(Filter, ContainersCommonsListAndMovePages) {
  const auto of = actions({"amd64", false, false, {}});
  ASSERT_GT(of.size(), 350U);
  for (const char* allowed : {"read", "ptrace", "unshare", "set_mempolicy", "mbind", "move_pages",
                              "process_vm_readv", "mount", "pivot_root", "arch_prctl"})
    EXPECT_EQ(of.at(allowed), "ALLOW -1") << allowed;
  for (const char* refused : {"bpf", "kexec_load", "init_module", "open_by_handle_at",
                              "perf_event_open", "userfaultfd", "settimeofday", "quotactl"})
    EXPECT_EQ(of.at(refused), "ERRNO 1") << refused;
  // Unknown calls do not exist: programs then do without them.
  EXPECT_FALSE(of.contains("set_tls"));
  EXPECT_TRUE(actions({"arm64", false, false, {}}).contains("set_tls"));
}

TEST(Filter, PretendedAndTracedCallsHaveOneRule) {
  const auto pretended = actions({"amd64", true, false, {}});
  EXPECT_EQ(pretended.at("chown"), "ERRNO 0");
  EXPECT_EQ(pretended.at("read"), "ALLOW -1");
  const auto both = actions({"amd64", true, false, {"openat", "chown"}});
  EXPECT_EQ(both.at("openat"), "TRACE -1");
  EXPECT_EQ(both.at("chown"), "ERRNO 0");
  EXPECT_EQ(both.at("io_uring_setup"), "ERRNO 38");
  EXPECT_EQ(both.at("bpf"), "ERRNO 1");
  EXPECT_EQ(both.at("keyctl"), "ALLOW -1");
  EXPECT_FALSE(actions({"amd64", false, true, {}}).contains("keyctl"));
}

TEST(Filter, IsCompiledForThisMachine) {
  const std::string here = image::host_platform().architecture;
  const std::string_view plain = compiled_filter({here, false, false, {}});
  const std::string_view pretend = compiled_filter({here, true, false, {}});
  // A sock_filter has eight bytes; ranges of numbers need some hundreds of them, single numbers
  // thousands.
  constexpr std::size_t kLeast = 1000, kMost = 8000;
  for (const std::string_view one : {plain, pretend}) {
    EXPECT_GT(one.size(), kLeast);
    EXPECT_LT(one.size(), kMost);
  }
  EXPECT_NE(plain, pretend);
  EXPECT_NE(plain, compiled_filter({here, false, true, {}}));
  EXPECT_TRUE(compiled_filter({here, false, false, {"openat"}}).empty());
  EXPECT_TRUE(compiled_filter({"none", false, false, {}}).empty());
}

TEST(Filter, ArchitecturesOfAMachine) {
  EXPECT_THAT(seccomp_architectures("amd64"),
              testing::ElementsAre("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"));
  EXPECT_THAT(seccomp_architectures("arm64"),
              testing::ElementsAre("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"));
}

}  // namespace
}  // namespace flense::launch
