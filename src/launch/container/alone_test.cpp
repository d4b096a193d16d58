#include "launch/container/alone.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace flense::launch {
namespace {

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
