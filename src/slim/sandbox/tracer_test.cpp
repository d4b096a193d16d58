#include "slim/sandbox/tracer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "base/file.h"
#include "image/layers/testing_image.h"
#include "slim/sandbox/trace_calls.h"

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

using Paths = std::vector<std::string>;

bool put_filter_on() {
  std::vector<sock_filter> filter = trace_filter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

void open_and_close(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
}

/// Real processes, traced in a directory of this machine's own root; names are told relative to it.
class Tracing : public ::testing::Test {
 protected:
  Tracing() {
    // Written by a name without links.
    place = std::filesystem::canonical(dir.path()).string();
    for (const char* name : {"a", "b", "c", "sub/d", "sub/e"}) file(name);
  }
  void file(const std::string& name, const std::string& text = "x\n", mode_t mode = 0644) {
    std::filesystem::create_directories((place / std::filesystem::path(name)).parent_path());
    std::ofstream(at(name)) << text;
    ::chmod(at(name).c_str(), mode);
  }
  std::string at(const std::string& name) const { return place + "/" + name; }

  /// Runs `child` under the filter in a process of its own.
  TracedEnd trace(const std::function<int()>& child, const TracerSettings& settings = {}) {
    const UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    PathRecorder recorder(root.get(), {"proc", "dev", "sys"});
    std::optional<Result<TracedEnd>> end;
    // The tracer's thread ends with it, and what it traces.
    std::thread([&] {
      end = run_traced(
          [&] {
            if (::chdir(place.c_str()) != 0 || !put_filter_on()) return 99;
            return child();
          },
          recorder, settings);
    }).join();
    const MetPaths met = recorder.take();
    everything = met.used;
    used = below(met.used);
    looked = below(met.looked);
    if (*end) return **end;
    ADD_FAILURE() << render(end->error());
    return {};
  }
  TracedEnd trace_shell(const std::string& script) {
    return trace([&] {
      ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
      return 127;
    });
  }
  Paths below(const Paths& all) const {
    Paths out;
    const std::string prefix = place.substr(1) + "/";
    for (const std::string& path : all)
      if (path.starts_with(prefix)) out.push_back(path.substr(prefix.size()));
    return out;
  }

  image::fixture::TempDir dir;
  std::string place;
  Paths everything, used, looked;
};

TEST_F(Tracing, OpensByEveryWayToNameAFile) {
  const TracedEnd end = trace([&] {
    open_and_close("a");
    open_and_close("missing");
    const int sub = ::open("sub", O_PATH | O_DIRECTORY);
    ::close(::openat(sub, "d", O_RDONLY));
    ::close(::openat(sub, "missing", O_RDONLY));
    open_how how{};
    how.flags = O_RDONLY;
    ::syscall(SYS_openat2, sub, "../b", &how, sizeof how);
    if (::fchdir(sub) != 0) return 1;
    open_and_close("e");
    if (::chdir("..") != 0) return 1;
    open_and_close(at("c").c_str());
    return 0;
  });
  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(used, ElementsAre("a", "b", "c", "sub", "sub/d", "sub/e"));
  EXPECT_THAT(end.gaps.sentences(), IsEmpty());
}

TEST_F(Tracing, LinksAreFollowedOnlyWhereTheCallFollowsThem) {
  std::filesystem::create_symlink("sub", at("to-sub"));
  std::filesystem::create_symlink("to-sub/d", at("to-d"));
  std::filesystem::create_symlink("b", at("to-b"));
  std::filesystem::create_symlink("c", at("to-c"));
  std::filesystem::create_symlink("a", at("to-a"));
  trace([&] {
    open_and_close("to-d");
    std::array<char, 100> text{};
    if (::readlink("to-b", text.data(), text.size()) < 0) return 1;
    open_how how{};
    how.flags = O_PATH | O_NOFOLLOW;
    ::syscall(SYS_openat2, AT_FDCWD, "to-c", &how, sizeof how);
    ::open("to-a", O_PATH | O_NOFOLLOW);
    return 0;
  });
  EXPECT_THAT(used, ElementsAre("sub/d", "to-a", "to-b", "to-c", "to-d", "to-sub"));
}

TEST_F(Tracing, LooksAreToldApart) {
  trace([&] {
    struct stat status{};
    ::stat("a", &status);
    ::lstat("b", &status);
    ::access("c", R_OK);
    ::fstatat(AT_FDCWD, "sub/d", &status, AT_SYMLINK_NOFOLLOW);
    struct statx more{};
    ::statx(AT_FDCWD, "sub/e", 0, STATX_ALL, &more);
    ::stat("missing", &status);
    open_and_close("b");
    // A descriptor's own, by an empty name and by none.
    ::fstatat(1, "", &status, AT_EMPTY_PATH);
    ::futimens(-1, nullptr);
    return ::chdir("sub");
  });
  EXPECT_THAT(used, ElementsAre("b"));
  EXPECT_THAT(looked, ElementsAre("a", "c", "sub", "sub/d", "sub/e"));
}

TEST_F(Tracing, ProgramsScriptsAndTheirInterpreters) {
  file("script", "#!/bin/sh\ncat sub/d\nexec ./second\n", 0755);
  file("second", "#!/usr/bin/env sh\nread x < a\n", 0755);
  file("not-executed", "#!/bin/sh\n", 0755);
  EXPECT_EQ(trace_shell("cd . && ./script > /dev/null").status, 0);
  EXPECT_THAT(used, ElementsAre("a", "script", "second", "sub/d"));
  const auto real = [](const char* path) {
    return std::filesystem::canonical(path).string().substr(1);
  };
  EXPECT_THAT(everything, IsSupersetOf({real("/bin/sh"), real("/usr/bin/env"), real("/bin/cat")}));
  // The kernel opens the loader itself.
  EXPECT_TRUE(std::ranges::any_of(everything, [](const std::string& path) {
    return path.find("/ld-") != std::string::npos || path.find("/ld.so") != std::string::npos;
  }));
}

TEST_F(Tracing, AProgramByDescriptorBringsItsInterpreter) {
  file("script", "#!/usr/bin/env sh\nread x < a\n", 0755);
  trace([&] {
    const int fd = ::open("script", O_PATH);
    std::array<char*, 1> none = {nullptr};
    std::string name = "script";
    std::array<char*, 2> arguments = {name.data(), nullptr};
    ::syscall(SYS_execveat, fd, "", arguments.data(), none.data(), AT_EMPTY_PATH);
    return 1;
  });
  EXPECT_THAT(used, ElementsAre("a", "script"));
  EXPECT_THAT(everything, ::testing::Contains("usr/bin/env"));
}

TEST_F(Tracing, ManyProcessesAndThreads) {
  constexpr int kMany = 60;
  for (int i = 0; i < kMany; ++i) {
    file(fmt::format("process-{:02}", i));
    file(fmt::format("thread-{:02}", i));
  }
  const TracedEnd end = trace([&] {
    for (int i = 0; i < kMany; ++i) {
      if (::fork() == 0) {
        open_and_close(fmt::format("process-{:02}", i).c_str());
        ::_exit(0);
      }
    }
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kMany; ++i)
        threads.emplace_back([i] { open_and_close(fmt::format("thread-{:02}", i).c_str()); });
    }
    int ended = 0;
    while (::wait(nullptr) > 0) ++ended;
    return ended == kMany ? 0 : 1;
  });
  EXPECT_EQ(end.status, 0);
  EXPECT_EQ(used.size(), std::size_t{2 * kMany});
}

TEST_F(Tracing, SpawnedByVforkAndExecutedByAnotherThread) {
  const TracedEnd end = trace([&] {
    std::string shell = "sh", option = "-c", script = "read x < a";
    std::array<char*, 4> arguments = {shell.data(), option.data(), script.data(), nullptr};
    pid_t pid = 0;
    if (::posix_spawn(&pid, "/bin/sh", nullptr, nullptr, arguments.data(), environ) != 0) return 1;
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid || status != 0) return 2;
    std::jthread([] { ::execl("/bin/sh", "sh", "-c", "read x < b; exit 7", nullptr); }).join();
    return 3;
  });
  EXPECT_EQ(end.status, 7);
  EXPECT_THAT(used, ElementsAre("a", "b"));
}

TEST_F(Tracing, AFileThatGoesAfterwardsWasMet) {
  trace_shell("read x < a; rm a b; [ -e a ] || read x < c");
  EXPECT_THAT(used, ElementsAre("a", "c"));
  EXPECT_THAT(looked, ElementsAre("b"));
}

TEST_F(Tracing, TheEndOfTheFirstProcessIsTheStatus) {
  EXPECT_EQ(trace_shell("exit 3").status, 3);
  EXPECT_EQ(trace_shell("kill -SEGV $$").status, 128 + SIGSEGV);
  EXPECT_EQ(trace([] { return ::raise(SIGABRT); }).status, 128 + SIGABRT);
  EXPECT_EQ(trace_shell("sh -c 'kill -KILL $$'; read x < a; exit 0").status, 0);
  EXPECT_THAT(used, ElementsAre("a"));
  EXPECT_EQ(
      trace([] { return ::execl("/nonexistent/program", "x", nullptr) == -1 ? 127 : 0; }).status,
      127);
}

TEST_F(Tracing, SignalsAndJobControlWorkAsWithoutIt) {
  EXPECT_EQ(trace_shell("trap 'read x < a' USR1; kill -USR1 $$; "
                        "sh -c 'kill -STOP $$; read x < b' & "
                        // A word to go on that comes before the stop is lost.
                        "while kill -CONT $! 2>/dev/null; do sleep 0.1; done; exit 5")
                .status,
            5);
  EXPECT_THAT(used, ElementsAre("a", "b"));
}

TEST_F(Tracing, NothingIsLeftRunning) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const auto begin = std::chrono::steady_clock::now();
  const TracedEnd end = trace([&] {
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (const int signal : {SIGTERM, SIGHUP, SIGINT}) std::signal(signal, SIG_IGN);
      ::setsid();
      while (true) ::pause();
    }
    return ::write(ends[1], &pid, sizeof pid) == sizeof pid ? 4 : 1;
  });
  EXPECT_EQ(end.status, 4);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  pid_t left = 0;
  ASSERT_EQ(::read(ends[0], &left, sizeof left), ssize_t{sizeof left});
  for (const int fd : ends) ::close(fd);
  // Dead, and perhaps not yet reaped by whoever inherited it.
  const auto lives = [&] {
    std::ifstream stat(fmt::format("/proc/{}/stat", left));
    std::string line;
    std::getline(stat, line);
    const std::size_t close = line.rfind(')');
    return close != std::string::npos && line.substr(close + 2, 1) != "Z";
  };
  for (int i = 0; i < 500 && lives(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(lives());
}

TEST_F(Tracing, AStopEndsIt) {
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    source.request_stop();
  });
  const TracedEnd end = trace(
      [] {
        std::signal(SIGTERM, SIG_IGN);
        while (true) ::pause();
        return 0;
      },
      {source.get_token(), SIGKILL});
  EXPECT_EQ(end.status, 128 + SIGKILL);
}

TEST_F(Tracing, WhatWasNotSeenIsTold) {
  const TracedEnd root = trace([] {
    // It fails without privilege, and is a reason for doubt all the same.
    return ::chroot("/nonexistent/place") == 0 ? 1 : 0;
  });
  EXPECT_TRUE(root.gaps.other_root);
  EXPECT_EQ(root.gaps.sentences().size(), 1U);
  const TracedEnd unreadable = trace([] {
    ::syscall(SYS_openat, AT_FDCWD, 1, O_RDONLY);
    return 0;
  });
  EXPECT_EQ(unreadable.gaps.unread, 1U);
#if defined(__x86_64__)
  const TracedEnd other = trace([] {
    ::syscall(0x40000000 + SYS_getpid);
    return 0;
  });
  EXPECT_TRUE(other.gaps.foreign);
#endif
}

TEST_F(Tracing, NoIoUring) {
  EXPECT_EQ(trace([] {
              return ::syscall(SYS_io_uring_setup, 1, nullptr) == -1 && errno == ENOSYS ? 0 : 1;
            }).status,
            0);
}

}  // namespace
}  // namespace flense::slim
