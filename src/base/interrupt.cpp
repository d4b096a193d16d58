#include "base/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace flense {

namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // A signal that the caller ignores (nohup) stays ignored.
    struct sigaction action{};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN)
      sigaddset(&set, signal);
  }
  return set;
}

[[noreturn]] void end_by(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::kill(::getpid(), signal);
  ::_exit(128 + signal);
}

/// Its handler does nothing and restarts nothing: a call that waits ends with EINTR.
constexpr int kWakeUp = SIGURG;

/// A thread that is about to wait is asked again.
constexpr int kAgainMilliseconds = 100;

}  // namespace

InterruptWatch::InterruptWatch() : maker_(pthread_self()) {
  const sigset_t set = stop_signals();
  signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
  quit_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  // Without the descriptors the signals keep their default action: end the process.
  if (signals_.get() < 0 || quit_.get() < 0) return;
  blocking_ = pthread_sigmask(SIG_BLOCK, &set, &before_) == 0;
}

void InterruptWatch::start() {
  if (blocking_ && !watcher_.joinable()) watcher_ = std::jthread([this] { watch(); });
}

InterruptWatch::~InterruptWatch() {
  const std::uint64_t one = 1;
  if (watcher_.joinable()) {
    static_cast<void>(::write(quit_.get(), &one, sizeof one) < 0);
    watcher_.join();
  }
  if (blocking_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void InterruptWatch::watch() {
  std::array<pollfd, 2> fds = {pollfd{signals_.get(), POLLIN, 0}, pollfd{quit_.get(), POLLIN, 0}};
  while (true) {
    const bool stopping = signal_.load() != 0;
    const int ready = ::poll(fds.data(), fds.size(), stopping ? kAgainMilliseconds : -1);
    if (ready == 0) pthread_kill(maker_, kWakeUp);
    if (ready <= 0) continue;
    if (fds[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal_.exchange(signal) != 0) end_by(signal);
    // Not before: nobody else's signal of this number is to end a read.
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};
    ::sigaction(kWakeUp, &nothing, nullptr);
    source_.request_stop();
  }
}

void InterruptWatch::end_as_signalled() {
  if (const int signal = signal_.load(); signal != 0) end_by(signal);
}

}  // namespace flense
