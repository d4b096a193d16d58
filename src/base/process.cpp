#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace flense {

namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  void dup(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  void null(int to, int flags) {
    posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", flags, 0);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

Result<int> spawn(const std::vector<std::string>& argv, const FileActions& actions) {
  std::vector<char*> raw;
  std::vector<std::string> copy = argv;
  raw.reserve(copy.size() + 1);
  for (std::string& argument : copy) raw.push_back(argument.data());
  raw.push_back(nullptr);
  // Children must not inherit a blocked SIGPIPE from a caller that ignores it.
  posix_spawnattr_t attributes{};
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  // Nor the signals that an InterruptWatch blocks for itself.
  sigset_t nothing;
  sigemptyset(&nothing);
  posix_spawnattr_setsigmask(&attributes, &nothing);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  int pid = -1;
  const int error = ::posix_spawnp(&pid, raw[0], actions.get(), &attributes, raw.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return system_error(error, "cannot start " + argv[0]);
  return pid;
}

Result<int> reap(int pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return system_error(errno, "cannot wait for a child process");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string shell_quoted(std::string_view word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::optional<std::string> find_program(std::string_view name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string_view dir = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
    // An empty PATH element means the current directory, others may lie in it: never look there.
    if (!dir.starts_with('/')) continue;
    std::string candidate = fmt::format("{}/{}", dir, name);
    std::error_code ignored;
    if (::access(candidate.c_str(), X_OK) == 0 &&
        !std::filesystem::is_directory(candidate, ignored))
      return candidate;
  }
  return std::nullopt;
}

namespace {

Result<ProcessOutput> run_by(ProgramStarter& starter, const std::vector<std::string>& argv,
                             std::uint64_t limit) {
  ChildProcess::Options options;
  options.starter = &starter;
  TRY(const auto child, ChildProcess::start(argv, options));
  ProcessOutput result;
  constexpr std::size_t kBlock = 65536;
  FdSource source(child->stdout_fd(), argv[0]);
  while (true) {
    TRY(const Bytes block, source.next(kBlock));
    if (block.empty()) break;
    if (result.out.size() < limit) result.out += as_text(block);
  }
  TRY(result.status, child->wait());
  result.err = child->said();
  return result;
}

}  // namespace

Result<ProcessOutput> run_process(const std::vector<std::string>& argv, std::uint64_t limit,
                                  ProgramStarter* starter) {
  if (starter != nullptr) return run_by(*starter, argv, limit);
  TRY(Pipe out, make_pipe());
  TRY(Pipe err, make_pipe());
  FileActions actions;
  actions.null(0, O_RDONLY);
  actions.dup(out.write.get(), 1);
  actions.dup(err.write.get(), 2);
  TRY(const int pid, spawn(argv, actions));
  out.write = UniqueFd();
  err.write = UniqueFd();
  ProcessOutput result;
  std::array<pollfd, 2> fds = {pollfd{out.read.get(), POLLIN, 0},
                               pollfd{err.read.get(), POLLIN, 0}};
  std::array<std::string*, 2> texts = {&result.out, &result.err};
  std::array<char, 65536> buffer{};
  int open = 2;
  while (open > 0) {
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t got = ::read(fds[i].fd, buffer.data(), buffer.size());
      if (got <= 0) {
        if (got < 0 && errno == EINTR) continue;
        fds[i].fd = -1;
        --open;
        continue;
      }
      // Past the limit the output is still drained, so that the child can end.
      if (texts[i]->size() < limit) texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  TRY(result.status, reap(pid));
  return result;
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const std::vector<std::string>& argv,
                                                          const Options& options) {
  std::unique_ptr<ChildProcess> child(new ChildProcess());
  if (options.starter != nullptr) {
    TRY(ProgramStarter::Started started, options.starter->start(argv));
    child->starter_ = options.starter;
    child->pid_ = started.pid;
    child->stdout_ = std::move(started.out);
    child->stderr_ = std::move(started.err);
    return child;
  }
  FileActions actions;
  Pipe in, out;
  if (options.pipe_stdin) {
    TRY(in, make_pipe());
    actions.dup(in.read.get(), 0);
  } else if (options.stdin_fd >= 0) {
    actions.dup(options.stdin_fd, 0);
  } else {
    actions.null(0, O_RDONLY);
  }
  if (options.discard_stderr) {
    actions.null(2, O_WRONLY);
  } else {
    child->stderr_ = UniqueFd(::memfd_create("stderr", MFD_CLOEXEC));
    if (child->stderr_.get() < 0) return system_error(errno, "cannot create an in-memory file");
    actions.dup(child->stderr_.get(), 2);
  }
  if (options.pipe_stdout) {
    TRY(out, make_pipe());
    actions.dup(out.write.get(), 1);
  } else {
    actions.dup(2, 1);
  }
  TRY(child->pid_, spawn(argv, actions));
  child->stdin_ = std::move(in.write);
  child->stdout_ = std::move(out.read);
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid_ <= 0) return;
  stdin_ = UniqueFd();
  stdout_ = UniqueFd();
  kill();
  // Nobody is left to report to, but the zombie must still be reaped.
  [[maybe_unused]] const Result<int> status = reap_it(pid_);
}

std::string ChildProcess::said() const {
  constexpr off_t kMost = 4096;
  struct stat status{};
  if (stderr_.get() < 0 || ::fstat(stderr_.get(), &status) != 0) return {};
  std::string out(static_cast<std::size_t>(std::min(status.st_size, kMost)), '\0');
  const ssize_t got =
      ::pread(stderr_.get(), out.data(), out.size(), std::max<off_t>(0, status.st_size - kMost));
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

void ChildProcess::kill() {
  if (pid_ <= 0) return;
  if (starter_ != nullptr)
    starter_->kill(pid_);
  else
    ::kill(pid_, SIGKILL);
}

Result<int> ChildProcess::reap_it(int pid) {
  return starter_ != nullptr ? starter_->wait(pid) : reap(pid);
}

std::optional<std::uint64_t> ChildProcess::written() const {
  if (starter_ != nullptr) return starter_->written(pid_);
  std::ifstream in(fmt::format("/proc/{}/io", pid_));
  std::string word;
  std::uint64_t value = 0;
  while (in >> word >> value)
    if (word == "wchar:") return value;
  return std::nullopt;
}

Result<std::array<UniqueFd, 2>> ChildProcess::hand_over() {
  UniqueFd copy(::fcntl(stderr_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return system_error(errno, "cannot copy a descriptor");
  return std::array{std::move(stdout_), std::move(copy)};
}

Result<int> ChildProcess::wait() {
  const int pid = std::exchange(pid_, -1);
  return reap_it(pid);
}

}  // namespace flense
