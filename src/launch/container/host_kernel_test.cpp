// Dividing a real control group, if this kernel lets us create one.
#include "launch/container/host_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "base/file.h"

namespace flense::launch {
namespace {

using testing::HasSubstr;

std::string first_line(const std::filesystem::path& path) {
  const auto text = read_file(path, 1u << 16);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

/// A group below the first tree of version 2 that has controllers to hand on.
class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      const std::string words = first_line(std::filesystem::path(place) / "cgroup.controllers");
      if (words.empty()) continue;
      controller_ = words.substr(0, words.find(' '));
      top_ = std::filesystem::path(place) / "cgroup.subtree_control";
      handed_on_ = first_line(top_).find(controller_) != std::string::npos;
      std::ofstream(top_) << "+" << controller_;
      group_ = std::filesystem::path(place) / fmt::format("flense-test-{}", ::getpid());
      if (::mkdir(group_.c_str(), 0755) == 0) return;
      group_.clear();
    }
    GTEST_SKIP() << "no control groups of version 2 can be made here";
  }
  void TearDown() override {
    if (group_.empty()) return;
    ::rmdir((group_ / "flense.launch").c_str());
    ::rmdir(group_.c_str());
    if (!handed_on_) std::ofstream(top_) << "-" << controller_;
  }
  Delegation delegation() const {
    return {group_, "/" + group_.filename().string(), {controller_}};
  }
  /// In a process of the group: 0 when `divided` says so.
  int in_group(const std::function<bool(const Result<void>&)>& divided) const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      std::ofstream(group_ / "cgroup.procs") << "0";
      ::_exit(divided(divide_cgroup(delegation())) ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
  }

  std::filesystem::path top_, group_;
  std::string controller_;
  bool handed_on_ = true;  ///< already, by the machine
};

TEST_F(CgroupTest, HandsControllersOnAndLeavesTheGroupEmpty) {
  const auto whole = [&](const Result<void>& divided) {
    return divided && first_line(group_ / "cgroup.procs").empty() &&
           !first_line("/proc/self/cgroup").empty() &&
           first_line(group_ / "flense.launch/cgroup.procs") == fmt::format("{}", ::getpid());
  };
  EXPECT_EQ(in_group(whole), 0);
  EXPECT_EQ(first_line(group_ / "cgroup.subtree_control"), controller_);
  // Again, as the next launch finds it: that is no longer allowed into the group itself.
  EXPECT_EQ(in_group([](const Result<void>& divided) { return divided.has_value(); }), 0);
}

TEST_F(CgroupTest, OtherProcessesInItAreNamed) {
  const pid_t other = ::fork();
  if (other == 0) {
    std::ofstream(group_ / "cgroup.procs") << "0";
    ::pause();
    ::_exit(0);
  }
  while (first_line(group_ / "cgroup.procs").empty()) ::usleep(1000);
  EXPECT_EQ(in_group([](const Result<void>& divided) {
              return !divided && divided.error().message.find(
                                     "other processes run in /flense-test-") != std::string::npos;
            }),
            0);
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

TEST(Cgroup, WithoutDelegationTheReasonIsTold) {
  const auto refused = delegated_cgroup("/nonexistent", "/nonexistent", {"memory"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("control groups are none here"));
  EXPECT_THAT(refused.error().hint, HasSubstr("Delegate=yes"));
}

/// In a process of its own, which has one thread: what `body` returns.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

TEST(OnceAlone, TellsTheErrorOfTheCall) {
  EXPECT_EQ(once_alone([] { return 0; }), 0);
  EXPECT_EQ(once_alone([] {
              errno = EPERM;
              return -1;
            }),
            EPERM);
}

TEST(OnceAlone, TriesAgainWhileThereAreOthers) {
  int calls = 0;
  EXPECT_EQ(once_alone([&] {
              errno = EINVAL;
              return ++calls < 20 ? -1 : 0;
            }),
            0);
  EXPECT_EQ(calls, 20);
}

TEST(OnceAlone, AThreadThatEndsSoonIsWaitedFor) {
  const int status = in_child([] {
    std::thread other([] { std::this_thread::sleep_for(std::chrono::milliseconds(100)); });
    other.detach();
    return once_alone([] { return ::unshare(CLONE_NEWUSER); });
  });
  if (status == EPERM || status == ENOSPC) GTEST_SKIP() << "no user namespaces here";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace flense::launch
