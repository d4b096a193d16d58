#include "slim/sandbox/tracer.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "base/file.h"
#include "slim/sandbox/trace_calls.h"

namespace flense::slim {

namespace {

using CallInfo = __ptrace_syscall_info;

/// How long what the first process has left running may still be followed.
constexpr auto kGrace = std::chrono::seconds(1);

template <class T>
void* pointer_of(T value) {
  // ptrace(2) takes numbers in its pointer arguments.
  return std::bit_cast<void*>(static_cast<std::uintptr_t>(value));
}

void go_on(pid_t thread, int signal) {
  // A thread that was killed meanwhile is reported by the next wait.
  ::ptrace(PTRACE_CONT, thread, nullptr, pointer_of(signal));
}

std::optional<std::uint64_t> read_word(pid_t thread, std::uint64_t address) {
  std::uint64_t out = 0;
  const iovec here{&out, sizeof out}, there{pointer_of(address), sizeof out};
  if (::process_vm_readv(thread, &here, 1, &there, 1, 0) != sizeof out) return std::nullopt;
  return out;
}

/// A string that ends with a NUL, no longer than a path.
std::optional<std::string> read_path(pid_t thread, std::uint64_t address) {
  constexpr std::uint64_t kPiece = 256;  // divides a page, so that no piece spans two
  std::string out;
  std::array<char, kPiece> piece{};
  while (out.size() < PATH_MAX) {
    const std::uint64_t size = kPiece - address % kPiece;
    const iovec here{piece.data(), size}, there{pointer_of(address), size};
    const ssize_t got = ::process_vm_readv(thread, &here, 1, &there, 1, 0);
    if (got <= 0) return std::nullopt;
    const std::string_view text(piece.data(), static_cast<std::size_t>(got));
    const std::size_t end = text.find('\0');
    out.append(text.substr(0, end));
    if (end != std::string_view::npos) return out;
    address += static_cast<std::uint64_t>(got);
  }
  return std::nullopt;
}

/// The directory or file that a link in /proc leads to, as an image path; nullopt for what has no
/// path. It is written as the traced process sees it, since its root is where its mounts begin.
std::optional<std::string> place_of(const std::string& link) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlink(link.c_str(), text.data(), text.size());
  if (size <= 0 || text[0] != '/') return std::nullopt;
  return std::string(text.data() + 1, static_cast<std::size_t>(size) - 1);
}

bool follows(const TracedCall& call, pid_t thread, std::span<const std::uint64_t> arguments) {
  const auto flags = arguments[static_cast<std::size_t>(call.flags)];
  switch (call.last) {
    case TracedCall::LastLink::kFollowed:
      return true;
    case TracedCall::LastLink::kKept:
      return false;
    case TracedCall::LastLink::kFollowedUnlessFlag:
      return (flags & call.flag) == 0;
    case TracedCall::LastLink::kKeptUnlessFlag:
      return (flags & call.flag) != 0;
    case TracedCall::LastLink::kFollowedUnlessFlagInMemory:
      return (read_word(thread, flags).value_or(0) & call.flag) == 0;
  }
  return true;
}

class Tracer {
 public:
  explicit Tracer(PathRecorder& recorder) : recorder_(recorder) {}

  void stopped_before_call(pid_t thread) {
    CallInfo info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, pointer_of(sizeof info), &info) <= 0) {
      if (errno == EIO) unsupported_ = true;
      if (errno != ESRCH) ++gaps_.unread;
      return;
    }
    if (info.op != PTRACE_SYSCALL_INFO_SECCOMP) return;
    if (!is_native_call(info.arch, info.seccomp.nr)) {
      gaps_.foreign = true;
      return;
    }
    if (const TracedCall* call = traced_call(info.arch, info.seccomp.nr))
      record(thread, *call, info.seccomp.args);
  }

  const TraceGaps& gaps() const { return gaps_; }
  bool unsupported() const { return unsupported_; }  ///< by this kernel

 private:
  void record(pid_t thread, const TracedCall& call, std::span<const std::uint64_t> arguments) {
    if (call.kind == TracedCall::Kind::kRoot) {
      gaps_.other_root = true;
      return;
    }
    const std::uint64_t address = arguments[static_cast<std::size_t>(call.path)];
    // Calls that take none then mean the descriptor (utimensat).
    if (address == 0) return;
    const auto path = read_path(thread, address);
    if (!path) {
      ++gaps_.unread;
      return;
    }
    // The file of a descriptor was met when it was opened, but not as a program.
    if (path->empty() && call.kind != TracedCall::Kind::kExecute) return;
    std::string directory;
    if (!path->starts_with('/')) {
      const int fd = call.directory < 0
                         ? AT_FDCWD
                         : static_cast<int>(arguments[static_cast<std::size_t>(call.directory)]);
      const auto place = place_of(fd == AT_FDCWD ? fmt::format("/proc/{}/cwd", thread)
                                                 : fmt::format("/proc/{}/fd/{}", thread, fd));
      if (!place) return;
      directory = *place;
    }
    const bool follow = follows(call, thread, arguments);
    if (path->empty()) return recorder_.executed("", "/" + directory, false);
    switch (call.kind) {
      case TracedCall::Kind::kUse:
        return recorder_.used(directory, *path, follow);
      case TracedCall::Kind::kLook:
        return recorder_.looked_at(directory, *path, follow);
      case TracedCall::Kind::kExecute:
        return recorder_.executed(directory, *path, follow);
      case TracedCall::Kind::kRoot:
        return;
    }
  }

  PathRecorder& recorder_;
  TraceGaps gaps_;
  bool unsupported_ = false;
};

/// In the child, before anything else: waits for the word that it is traced, and takes the signals'
/// own meaning back.
bool wait_until_traced(int gate) {
  char word = 0;
  ssize_t got = 0;
  do got = ::read(gate, &word, 1);
  while (got < 0 && errno == EINTR);
  if (got != 1) return false;
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t nothing;
  sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  return true;
}

void handle_stop(Tracer& tracer, pid_t thread, int status) {
  const int signal = WSTOPSIG(status);
  switch (status >> 16) {
    case 0:
      return go_on(thread, signal);
    case PTRACE_EVENT_SECCOMP:
      tracer.stopped_before_call(thread);
      return go_on(thread, 0);
    case PTRACE_EVENT_STOP:
      // Stopped by job control: it must stay so until SIGCONT. A new thread reports SIGTRAP here.
      if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
        ::ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);
        return;
      }
      return go_on(thread, 0);
    default:
      return go_on(thread, 0);
  }
}

/// Until the first process has ended and the others as well, or the grace is over.
int follow_to_the_end(Tracer& tracer, const PathRecorder& recorder, pid_t first) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPause = std::chrono::milliseconds(2);
  std::optional<int> end;
  Clock::time_point until;
  bool killed = false;
  while (true) {
    int status = 0;
    // Threads too, and of this thread's alone: other threads wait for processes of their own.
    const pid_t thread = ::waitpid(-1, &status, __WALL | __WNOTHREAD | (end ? WNOHANG : 0));
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) return end.value_or(128 + SIGKILL);
    if (thread == 0) {
      if (Clock::now() >= until) return *end;
      std::this_thread::sleep_for(kPause);
      continue;
    }
    if (WIFSTOPPED(status)) {
      handle_stop(tracer, thread, status);
    } else if (thread == first) {
      end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      until = Clock::now() + kGrace;
    }
    if (recorder.full() && !std::exchange(killed, true)) ::kill(first, SIGKILL);
  }
}

}  // namespace

std::vector<std::string> TraceGaps::sentences() const {
  std::vector<std::string> out;
  if (unread > 0)
    out.push_back(fmt::format("{} calls named files in a way that could not be read", unread));
  if (foreign)
    out.emplace_back("a program of another architecture (32-bit) ran: what it opened was not seen");
  if (other_root)
    out.emplace_back(
        "a program changed its own root directory or mounts: what it opened there was not seen");
  return out;
}

Result<TracedEnd> run_traced(const std::function<int()>& child, PathRecorder& recorder,
                             const TracerSettings& settings) {
  std::array<int, 2> gate{};
  if (::pipe2(gate.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  UniqueFd waiting(gate[0]), opening(gate[1]);
  const pid_t first = ::fork();
  if (first < 0) return system_error(errno, "cannot start a process");
  if (first == 0) {
    // Its end means that nobody traces.
    opening = UniqueFd();
    if (!wait_until_traced(waiting.get())) ::_exit(127);
    ::_exit(child());
  }
  waiting = UniqueFd();
  constexpr unsigned long kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP |
                                     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
  if (::ptrace(PTRACE_SEIZE, first, nullptr, pointer_of(kOptions)) != 0) {
    const int error = errno;
    opening = UniqueFd();
    int ignored = 0;
    while (::waitpid(first, &ignored, 0) < 0 && errno == EINTR) continue;
    return system_error(error, "cannot trace a process of our own")
        .hint(
            "ptrace(2) must be allowed: sysctl kernel.yama.ptrace_scope at most 1, and no "
            "seccomp profile of a container around flense that forbids it");
  }
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, first, 0)));
  const std::stop_callback on_stop(settings.stop, [&] {
    ::syscall(SYS_pidfd_send_signal, process.get(), settings.stop_signal, nullptr, 0);
  });
  if (::write(opening.get(), "", 1) != 1) ::kill(first, SIGKILL);
  opening = UniqueFd();
  Tracer tracer(recorder);
  const int status = follow_to_the_end(tracer, recorder, first);
  if (tracer.unsupported())
    return fail(Code::kEnvironment, "tracing needs Linux 5.3 or newer (PTRACE_GET_SYSCALL_INFO)");
  return TracedEnd{status, tracer.gaps()};
}

}  // namespace flense::slim
