#include "launch/container/first_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "launch/container/stage.h"

namespace flense::launch {

int be_first_process(const std::vector<std::string>& command) {
  constexpr int kNotStarted = 125, kSignalled = 128;
  sigset_t all, before;
  sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, &before) != 0) return kNotStarted;
  const pid_t child = ::fork();
  if (child < 0) return kNotStarted;
  if (child == 0) {
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::_exit(become_command(command));
  }
  while (true) {
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&all, &info);
    // The terminal's own signals have reached the command as well.
    if (signal > 0 && signal != SIGCHLD && info.si_code != SI_KERNEL) ::kill(child, signal);
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (ended == child)
        return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status);
  }
}

}  // namespace flense::launch
