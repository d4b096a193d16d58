#include "guard/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

#include "base/file.h"
#include "base/parallel.h"
#include "base/private_directory.h"
#include "base/process.h"
#include "guard/system_calls.h"

namespace flense::guard {
namespace {

/// How a confined child ends that does `what`: its result, or 128 + signal.
int confined(const Reach& reach, const std::function<int()>& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    confine(reach);
    ::_exit(what());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The error of a system call, 0 if there was none.
int error_of(long returned) {
  return returned < 0 ? errno : 0;
}

int opened(const std::filesystem::path& path, int flags) {
  return error_of(::open(path.c_str(), flags | O_CLOEXEC, 0600));
}

class Confined : public testing::Test {
 protected:
  void SetUp() override {
    if (support().landlock == 0 || !support().seccomp)
      GTEST_SKIP() << "this kernel has no Landlock, or no seccomp filters";
    for (const char* name : {"named", "foreign", "cache", "scratch"})
      std::filesystem::create_directory(top() / name);
    for (const char* name : {"named/file", "foreign/file", "cache/old"})
      ASSERT_TRUE(write_new_file(top() / name, "text"));
    std::filesystem::create_symlink(top() / "foreign/file", top() / "named/link");
  }
  std::filesystem::path top() const { return directory_->path(); }
  Reach reach() const {
    Reach out;
    out.read = {top() / "named", top() / "missing"};
    out.change = {top() / "cache"};
    out.scratch = {top() / "scratch"};
    return out;
  }

 private:
  Result<TemporaryDirectory> directory_ =
      TemporaryDirectory::create(std::filesystem::temp_directory_path(), "flense-confine");
};

TEST_F(Confined, ReadsWhatIsNamedAndNothingElse) {
  EXPECT_EQ(confined(reach(), [&] { return opened(top() / "named/file", O_RDONLY); }), 0);
  EXPECT_EQ(confined(reach(), [&] { return opened(top() / "named", O_RDONLY | O_DIRECTORY); }), 0);
  EXPECT_EQ(confined(reach(), [&] { return opened(top() / "foreign/file", O_RDONLY); }), EACCES);
  EXPECT_EQ(confined(reach(), [&] { return opened(top() / "named/link", O_RDONLY); }), EACCES);
  EXPECT_EQ(confined(reach(), [&] { return opened(top(), O_RDONLY | O_DIRECTORY); }), EACCES);
  EXPECT_EQ(confined(reach(), [&] { return opened("/etc/passwd", O_RDONLY); }), EACCES);
  EXPECT_EQ(confined(reach(), [&] { return opened(top() / "missing", O_RDONLY); }), ENOENT);
}

TEST_F(Confined, ReadsOneFileOfADirectory) {
  Reach one;
  one.read = {top() / "foreign/file"};
  EXPECT_EQ(confined(one, [&] { return opened(top() / "foreign/file", O_RDONLY); }), 0);
  EXPECT_EQ(confined(one, [&] { return opened(top() / "foreign/file", O_WRONLY); }), EACCES);
  EXPECT_EQ(confined(one, [&] { return opened(top() / "cache/old", O_RDONLY); }), EACCES);
}

TEST_F(Confined, ListsNamesWithoutReading) {
  Reach names;
  names.list = {top()};
  EXPECT_EQ(confined(names, [&] { return opened(top() / "named", O_RDONLY | O_DIRECTORY); }), 0);
  EXPECT_EQ(confined(names, [&] { return opened(top() / "named/file", O_RDONLY); }), EACCES);
}

TEST_F(Confined, FollowsLinksOfADirectoryWhereAskedTo) {
  Reach linked;
  add_with_links(top() / "named", linked.read);
  EXPECT_EQ(confined(linked, [&] { return opened(top() / "named/link", O_RDONLY); }), 0);
  EXPECT_EQ(confined(linked, [&] { return opened(top() / "cache/old", O_RDONLY); }), EACCES);
}

TEST_F(Confined, WritesItsCacheAndScratchAlone) {
  const auto file = [&](const char* name) { return top() / name; };
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL;
  EXPECT_EQ(confined(reach(), [&] { return opened(file("named/new"), kNew); }), EACCES);
  EXPECT_EQ(confined(reach(), [&] { return opened(file("named/file"), O_WRONLY); }), EACCES);
  EXPECT_EQ(confined(reach(), [&] { return error_of(::unlink(file("named/file").c_str())); }),
            EACCES);
  EXPECT_EQ(confined(reach(), [&] { return error_of(::truncate(file("named/file").c_str(), 0)); }),
            EPERM);
  EXPECT_EQ(confined(reach(), [&] { return error_of(::chmod(file("cache/old").c_str(), 0777)); }),
            EPERM);
  EXPECT_EQ(
      confined(reach(),
               [&] {
                 if (const int error = opened(file("cache/new"), kNew)) return error;
                 return error_of(::rename(file("cache/new").c_str(), file("cache/old").c_str()));
               }),
      0);
  EXPECT_EQ(confined(reach(),
                     [&] {
                       std::string made = file("cache/.new-XXXXXX");
                       if (::mkdtemp(made.data()) == nullptr) return errno;
                       return error_of(::rename(made.c_str(), file("cache/whole").c_str()));
                     }),
            0);
  EXPECT_EQ(confined(reach(), [&] { return open_scratch(file("scratch")) ? 0 : 1; }), 0);
  EXPECT_EQ(confined(reach(), [&] { return open_scratch(file("named")) ? 1 : 0; }), 0);
  // A name of one directory in another would take a file out of reach of its rules.
  EXPECT_EQ(
      confined(
          reach(),
          [&] { return error_of(::rename(file("named/file").c_str(), file("cache/f").c_str())); }),
      EACCES);
}

TEST_F(Confined, ReachesNobodyElse) {
  const auto refused = [&](const std::function<long()>& call) {
    return confined(reach(), [&] { return error_of(call()); });
  };
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_VSOCK, AF_PACKET})
    EXPECT_EQ(refused([&] { return ::socket(family, SOCK_STREAM, 0); }), EPERM) << family;
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(refused([&] {
              sockaddr_un to{AF_UNIX, "/run/docker.sock"};
              return ::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to);
            }),
            EPERM);
  ::close(socket);
  EXPECT_EQ(refused([] { return ::fork(); }), EPERM);
  EXPECT_EQ(refused([] { return ::kill(::getppid(), 0); }), EPERM);
  EXPECT_EQ(refused([] { return ::kill(-1, 0); }), EPERM);
  EXPECT_EQ(refused([] { return ::syscall(SYS_tkill, ::getppid(), 0); }), EPERM);
  EXPECT_EQ(refused([] {
              char typed = 'x';
              return ::ioctl(0, TIOCSTI, &typed);
            }),
            EPERM);
}

TEST_F(Confined, MakesNoCode) {
  EXPECT_EQ(confined(reach(),
                     [] {
                       void* made = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                       return made == MAP_FAILED ? errno : 0;
                     }),
            EPERM);
  EXPECT_EQ(confined(reach(),
                     [] {
                       void* made = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                       if (made == MAP_FAILED) return 1;
                       return error_of(::mprotect(made, 4096, PROT_READ | PROT_EXEC));
                     }),
            EPERM);
}

TEST_F(Confined, EndsAtWhatOnlyAnAttackDoes) {
  const auto ends = [&](const std::function<long()>& call) {
    return confined(reach(), [&] { return static_cast<int>(call()); });
  };
  constexpr int kEnded = 128 + SIGSYS;
  char word[] = "/bin/true";
  char* words[] = {word, nullptr};
  EXPECT_EQ(ends([&] { return ::execve(word, words, nullptr); }), kEnded);
  EXPECT_EQ(ends([] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }), kEnded);
  EXPECT_EQ(ends([] { return ::mount("none", "/mnt", "tmpfs", 0, nullptr); }), kEnded);
  EXPECT_EQ(ends([] { return ::unshare(CLONE_NEWUSER); }), kEnded);
  EXPECT_EQ(ends([] { return ::syscall(SYS_finit_module, 0, "", 0); }), kEnded);
  EXPECT_EQ(ends([] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }), kEnded);
  EXPECT_EQ(ends([] { return ::syscall(SYS_bpf, BPF_PROG_LOAD, nullptr, 0); }), kEnded);
  EXPECT_EQ(ends([] { return ::setuid(0); }), kEnded);
#if defined(__x86_64__)
  EXPECT_EQ(ends([] { return ::syscall(0x40000000 | SYS_getpid); }), kEnded);
#endif
}

/// What posix_spawn says of it, where nobody is confined by mistake.
TEST_F(Confined, StartsNoProgram) {
  EXPECT_EQ(confined(reach(),
                     [] {
                       const auto started = run_process({"/bin/true"});
                       return !started && started.error().message ==
                                              "cannot start /bin/true: Operation not permitted"
                                  ? 0
                                  : 1;
                     }),
            0);
}

TEST_F(Confined, WorksInThreadsAsBefore) {
  EXPECT_EQ(confined(reach(),
                     [&] {
                       std::atomic<int> read = 0;
                       const auto done = parallel_for(8, 4, [&](std::size_t) -> Result<void> {
                         TRY(const std::string text, read_file(top() / "named/file", 100));
                         read += text == "text" ? 1 : 0;
                         return {};
                       });
                       return done && read == 8 ? 0 : 1;
                     }),
            0);
  // The end by one's own signal, which a batch system hears of.
  EXPECT_EQ(confined(reach(), [] { return ::kill(::getpid(), SIGTERM); }), 128 + SIGTERM);
  EXPECT_EQ(confined(reach(), [] { return ::raise(SIGINT); }), 128 + SIGINT);
}

TEST_F(Confined, HoldsForAThreadThatWasThere) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<bool> go = false;
    int seen = 0;
    std::jthread before([&] {
      while (!go) std::this_thread::yield();
      seen = error_of(::socket(AF_INET, SOCK_STREAM, 0));
    });
    confine(reach());
    go = true;
    before.join();
    ::_exit(seen);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

TEST(SystemCalls, ARefusedCallHasAName) {
  EXPECT_EQ(refused_call(SYS_ptrace), "ptrace");
  EXPECT_EQ(refused_call(SYS_read), "");
}

}  // namespace
}  // namespace flense::guard
