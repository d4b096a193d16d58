// The process around cli::run: real streams, the real terminal, one place for exceptions.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/become.h"
#include "base/interrupt.h"
#include "base/printable.h"
#include "cli/shared/command.h"
#include "guard/confine.h"
#include "guard/system_calls.h"

namespace {

/// A reader that went away (`flense … | head`) ends the program as SIGPIPE would have; the signal
/// itself is ignored, so that a dying helper process is an error and no silent death.
class StandardSink final : public flense::Sink {
 public:
  StandardSink(int fd, const char* name) : fd_(fd), name_(name) {}
  flense::Result<void> write(flense::Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(count));
      } else if (errno == EPIPE) {
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
      } else if (errno != EINTR) {
        return flense::system_error(errno, name_);
      }
    }
    return {};
  }

 private:
  int fd_;
  const char* name_;
};

/// A mapped file that another process cuts short, or whose file system fails, is noticed by the
/// kernel alone. Nothing can unwind from there: temporaries go with the next run, as after a kill.
[[noreturn]] void end_on_lost_page(int) {
  static constexpr std::string_view kMessage =
      "error: a file became shorter while it was read, or its file system failed\n"
      "hint: run it again when nobody writes to the files\n";
  static_cast<void>(::write(STDERR_FILENO, kMessage.data(), kMessage.size()) < 0);
  ::_exit(4);
}

/// The kernel refused what no parser does (guard/system_calls.h).
[[noreturn]] void end_on_refused_call(int, siginfo_t* what, void*) {
  const auto say = [](std::string_view text) {
    static_cast<void>(::write(STDERR_FILENO, text.data(), text.size()) < 0);
  };
  const std::string_view call = flense::guard::refused_call(what->si_syscall);
  say("error: the sandbox refused the system call ");
  say(call.empty() ? "that was made" : call);
  say(", which reading a file never needs\n"
      "hint: do not trust what was read: it may attack flense; please report it\n");
  ::_exit(70);
}

void expect_refused_calls() {
  struct sigaction action{};
  action.sa_sigaction = end_on_refused_call;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSYS, &action, nullptr);
}

unsigned terminal_columns() {
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    winsize size{};
    if (isatty(fd) != 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return 80;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    flense::open_standard_streams();
    // What was handed to us is for no program that we start.
    flense::close_on_exec();
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGBUS, end_on_lost_page);
    expect_refused_calls();
    std::optional<flense::InterruptWatch> interrupts(std::in_place);
    StandardSink out(STDOUT_FILENO, "writing to standard output");
    StandardSink err(STDERR_FILENO, "writing to standard error");
    const unsigned columns = terminal_columns();
    flense::cli::Io io{flense::Screen(out, isatty(STDOUT_FILENO) != 0, columns),
                       flense::Screen(err, isatty(STDERR_FILENO) != 0, columns),
                       columns,
                       [](std::string_view name) -> std::optional<std::string> {
                         const char* value = std::getenv(std::string(name).c_str());
                         if (value == nullptr) return std::nullopt;
                         return std::string(value);
                       },
                       interrupts->token(),
                       flense::environment_here(),
                       flense::guard::confine,
                       [&interrupts] { interrupts->start(); }};
    const std::vector<std::string> args(argv + 1, argv + argc);
    flense::cli::Ending ending = flense::cli::run(args, io);
    // Also where a signal ends us.
    io.broker.reset();
    if (const int* status = std::get_if<int>(&ending)) {
      if (*status == flense::exit_status(flense::Code::kInterrupted))
        interrupts->end_as_signalled();
      return *status;
    }
    interrupts->end_as_signalled();
    interrupts.reset();
    return flense::cli::finish(std::get<flense::cli::LastStep>(std::move(ending)), args, io);
  } catch (const std::bad_alloc&) {
    std::fputs("error: out of memory\n", stderr);
    return 4;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "error: internal error: %s\nhint: this is a bug in flense\n",
                 flense::printable(exception.what()).c_str());
    return 70;
  }
}
