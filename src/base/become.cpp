#include "base/become.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace flense {

namespace {

constexpr int kFirst = 3;  // after standard error

void mark(int fd) {
  const int flags = ::fcntl(fd, F_GETFD);
  if (flags >= 0) static_cast<void>(::fcntl(fd, F_SETFD, flags | FD_CLOEXEC));
}

/// Before Linux 5.11. No listing of /proc/self/fd: that allocates, and may be missing.
void mark_each() {
  constexpr long kMost = 1 << 20;
  long end = ::sysconf(_SC_OPEN_MAX);
  if (end < 0 || end > kMost) end = kMost;
  for (long fd = kFirst; fd < end; ++fd) mark(static_cast<int>(fd));
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

void close_on_exec() noexcept {
  if (::syscall(SYS_close_range, kFirst, ~0U, CLOSE_RANGE_CLOEXEC) != 0) mark_each();
}

void open_standard_streams() noexcept {
  for (int fd = 0; fd < kFirst; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
}

std::vector<std::string> environment_here() {
  std::vector<std::string> out;
  for (char** item = environ; *item != nullptr; ++item) out.emplace_back(*item);
  return out;
}

NextProgram::NextProgram(std::string path, std::vector<std::string> argv,
                         std::vector<std::string> environment)
    : path_(std::move(path)),
      argv_(std::move(argv)),
      environment_(std::move(environment)),
      arguments_(pointers(argv_)),
      variables_(pointers(environment_)) {}

int NextProgram::become(std::span<const int> kept) const noexcept {
  // We ignored it; an ignored signal stays ignored across execve.
  std::signal(SIGPIPE, SIG_DFL);
  close_on_exec();
  for (const int fd : kept) static_cast<void>(::fcntl(fd, F_SETFD, 0));
  ::execve(path_.c_str(), arguments_.data(), variables_.data());
  return errno;
}

}  // namespace flense
