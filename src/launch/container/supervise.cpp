#include "launch/container/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string>
#include <string_view>

#include "base/file.h"

namespace flense::launch {

namespace {

constexpr int kNotStarted = 125, kSignalled = 128;
/// For what the command does when its terminal hangs up.
constexpr int kGraceMilliseconds = 1000;

int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status);
}

class Supervisor {
 public:
  Supervisor(const Supervision& how, pid_t engine, UniqueFd proc, UniqueFd process,
             UniqueFd signals, UniqueFd parent)
      : how_(how),
        engine_(engine),
        proc_(std::move(proc)),
        process_(std::move(process)),
        signals_(std::move(signals)),
        parent_(std::move(parent)) {}

  int wait() {
    while (true) {
      // No event is requested for the terminal: a hang-up is always reported.
      std::array<pollfd, 4> polled = {
          pollfd{process_.get(), POLLIN, 0}, pollfd{signals_.get(), POLLIN, 0},
          pollfd{how_.terminal ? STDIN_FILENO : -1, 0, 0}, pollfd{parent_.get(), POLLIN, 0}};
      if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return ended(0);
      if (polled[0].revents != 0) return ended(0);
      if (polled[1].revents != 0) take_signal();
      if (polled[2].revents != 0) return hang_up();
      if (polled[3].revents != 0) {
        ::kill(engine_, SIGKILL);
        return ended(kSignalled + SIGKILL);
      }
    }
  }

 private:
  /// The container's first process leads a session and a group of its own.
  void tell_container(int signal) const {
    const std::string path = fmt::format("{0}/task/{0}/children", engine_);
    const UniqueFd fd(::openat(proc_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> text{};
    const ssize_t size = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
    std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      pid_t child = 0;
      std::from_chars(word.data(), word.data() + word.size(), child);
      if (child > 1 && ::kill(-child, signal) != 0) ::kill(child, signal);
    }
  }

  void take_signal() const {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
    const int signal = static_cast<int>(info.ssi_signo);
    switch (signal) {
      case SIGCHLD:
        return;
      case SIGTSTP:
        tell_container(SIGSTOP);
        ::kill(::getpid(), SIGSTOP);
        return;
      case SIGCONT:
        // Not through the engine: there it could come after the next stop, and undo it.
        tell_container(SIGCONT);
        return;
      default:
        // With a terminal of its own the engine is in our group, and has received what the terminal
        // sent; otherwise it is in a group of its own.
        if (!how_.terminal || info.ssi_code != SI_KERNEL) ::kill(engine_, signal);
    }
  }

  int hang_up() const {
    tell_container(SIGHUP);
    if (!ends_soon() && how_.first_process) {
      tell_container(SIGKILL);
      if (ends_soon()) return ended(kSignalled + SIGHUP);
    }
    ::kill(engine_, SIGKILL);
    return ended(kSignalled + SIGHUP);
  }

  bool ends_soon() const {
    pollfd end{process_.get(), POLLIN, 0};
    return ::poll(&end, 1, kGraceMilliseconds) != 0;
  }

  /// The engine's status, or another one in its place.
  int ended(int instead) const {
    int status = 0;
    while (::waitpid(engine_, &status, 0) < 0)
      if (errno != EINTR) return kNotStarted;
    return instead != 0 ? instead : status_of(status);
  }

  Supervision how_;
  pid_t engine_;
  UniqueFd proc_, process_, signals_, parent_;
};

struct Ends {
  UniqueFd out, in;
};
Result<Ends> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  return Ends{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// This process ends when the other one has, or does so from now on.
Result<void> end_with(const UniqueFd& lifeline) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    return system_error(errno, "cannot be tied to the life of the parent process");
  // It may be gone already. Only it holds the other end of the pipe. The first process of a PID
  // namespace cannot kill itself.
  pollfd other{lifeline.get(), POLLIN, 0};
  if (::poll(&other, 1, 0) != 0) ::_exit(kNotStarted);
  return {};
}

/// `complaint` gets what could not be done, and ends with the execve that could.
[[noreturn]] void child(const Supervision& how, const UniqueFd& lifeline, const UniqueFd& complaint,
                        const sigset_t& mask, const std::function<Result<void>()>& become) {
  // Its own group: what the terminal sends arrives once, through us.
  if (!how.terminal) ::setpgid(0, 0);
  Result<void> done = how.die_with_parent ? end_with(lifeline) : Result<void>();
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (done) done = become();
  if (!done) {
    const std::string text = done.error().message + '\n' + done.error().hint;
    static_cast<void>(write_fully(complaint.get(), as_bytes(text), "a pipe"));
  }
  ::_exit(kNotStarted);
}

}  // namespace

bool is_job() {
  const UniqueFd terminal(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
  if (!terminal) return false;
  const pid_t group = ::getpgrp();
  return group == ::getpid() || ::tcgetpgrp(terminal.get()) == group;
}

Result<int> supervise(const Supervision& how, const std::function<Result<void>()>& become) {
  // Through a descriptor: PR_SET_PDEATHSIG refers to the thread that started us.
  const pid_t above = how.die_with_parent ? ::getppid() : 0;
  UniqueFd parent(above > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, above, 0)) : -1);
  if (above > 0 && !parent) return fail(Code::kEnvironment, "the parent process has ended");
  UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return system_error(errno, "cannot open /proc");
  TRY(Ends life, make_pipe());
  TRY(Ends complaint, make_pipe());

  sigset_t all, before;
  sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, &before) != 0)
    return system_error(errno, "cannot block signals");
  UniqueFd signals(::signalfd(-1, &all, SFD_CLOEXEC));
  if (!signals) return system_error(errno, "cannot wait for signals");
  const pid_t engine = ::fork();
  if (engine < 0) return system_error(errno, "cannot start a process");
  if (engine == 0) {
    life.in = UniqueFd();
    child(how, life.out, complaint.in, before, become);
  }
  complaint.in = UniqueFd();
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, engine, 0)));
  if (!process) {
    const int error = errno;
    ::kill(engine, SIGKILL);
    return system_error(error, "cannot wait for a process");
  }
  const int status = Supervisor(how, engine, std::move(proc), std::move(process),
                                std::move(signals), std::move(parent))
                         .wait();
  std::array<char, 4096> text{};
  const ssize_t size = ::read(complaint.out.get(), text.data(), text.size());
  if (size <= 0) return status;
  const std::string said(text.data(), static_cast<std::size_t>(size));
  const std::size_t end = said.find('\n');
  return fail(Code::kEnvironment, "{}", said.substr(0, end))
      .hint(said.substr(std::min(end, said.size() - 1) + 1));
}

}  // namespace flense::launch
