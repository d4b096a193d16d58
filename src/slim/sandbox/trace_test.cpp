#include "slim/sandbox/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/process.h"

namespace flense::slim {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

/// The root of this machine stands for that of an image: it is only read.
class TraceInRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto tried = run_process({"bwrap", "--ro-bind", "/", "/", "true"});
    if (!tried || tried->status != 0) GTEST_SKIP() << "bubblewrap cannot start here";
  }
  static Result<TracedRun> trace(const std::string& command, const std::string& directory = "/",
                                 const std::stop_token& stop = {}) {
    return trace_in_root("/", command, {{"PATH=/usr/bin:/bin"}, directory}, stop);
  }
  static std::string real(const char* path) {
    return std::filesystem::canonical(path).string().substr(1);
  }
};

TEST_F(TraceInRoot, WhatACommandMeetsIsTheImages) {
  const auto traced = trace("cat passwd > /tmp/copy && cat /tmp/copy /proc/self/status", "/etc");
  ASSERT_TRUE(traced) << render(traced.error());
  EXPECT_EQ(traced->run.status, 0) << traced->run.err;
  EXPECT_THAT(traced->met.used,
              IsSupersetOf({std::string("etc/passwd"), real("/bin/sh"), real("/bin/cat")}));
  for (const std::string& path : traced->met.used) {
    EXPECT_FALSE(path.starts_with("tmp/") || path.starts_with("proc/") || path.starts_with("dev/"))
        << path;
    // What bubblewrap itself opens is none of it.
    EXPECT_EQ(path.find("bwrap"), std::string::npos) << path;
  }
  EXPECT_THAT(traced->gaps.sentences(), IsEmpty());
}

TEST_F(TraceInRoot, TheStatusAndTheErrorsOfTheCommand) {
  const auto traced = trace("echo seen >&2; cat /etc/no-such-file; exit 3");
  ASSERT_TRUE(traced) << render(traced.error());
  EXPECT_EQ(traced->run.status, 3);
  EXPECT_THAT(traced->run.err, HasSubstr("seen"));
  EXPECT_THAT(traced->met.used, Not(Contains("etc/no-such-file")));
}

TEST_F(TraceInRoot, AStopEndsTheSandboxWithAllThatRunsInIt) {
  std::stop_source source;
  const std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    source.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto traced = trace("trap '' TERM INT; sleep 987 & sleep 986", "/", source.get_token());
  ASSERT_FALSE(traced);
  EXPECT_EQ(traced.error().code, Code::kInterrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST_F(TraceInRoot, ASandboxThatCannotStartIsNoTrace) {
  const auto traced = trace("true", "/no/such/directory");
  ASSERT_FALSE(traced);
  EXPECT_EQ(traced.error().code, Code::kEnvironment);
}

}  // namespace
}  // namespace flense::slim
