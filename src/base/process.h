// Child processes without a shell: argument vectors, pipes, captured output.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/stream.h"

namespace flense {

/// Searches PATH for an executable; nullopt when it is not there.
std::optional<std::string> find_program(std::string_view name);

/// One word of a command line for a POSIX shell, in single quotes.
std::string shell_quoted(std::string_view word);

struct ProcessOutput {
  int status = 0;  ///< exit status, or 128 + signal
  std::string out;
  std::string err;
};

/// Who starts programs for a process that cannot, and looks after them (guard/broker.h).
class ProgramStarter {
 public:
  struct Started {
    int pid = -1;
    UniqueFd out, err;  ///< a pipe; a file in memory
  };
  virtual ~ProgramStarter() = default;
  virtual Result<Started> start(const std::vector<std::string>& argv) = 0;
  virtual void kill(int pid) = 0;
  virtual Result<int> wait(int pid) = 0;
  virtual std::optional<std::uint64_t> written(int pid) = 0;
};

/// Runs to the end, capturing at most `limit` bytes of each stream. An unstartable program is an
/// environment error; a non-zero status is not an error here. `starter`, unless null, starts it.
Result<ProcessOutput> run_process(const std::vector<std::string>& argv,
                                  std::uint64_t limit = 16u << 20,
                                  ProgramStarter* starter = nullptr);

/// A running child whose stdin or stdout is a pipe to us. Destruction kills and reaps it. What it
/// says on stderr reaches no terminal: it may repeat what stands in an image.
class ChildProcess {
 public:
  struct Options {
    bool pipe_stdin = false;
    bool pipe_stdout = false;  ///< when not piped: to stderr
    int stdin_fd = -1;         ///< when not piped: this descriptor, or /dev/null
    bool discard_stderr = false;
    /// Starts it instead of us: with standard output piped, no input, and what it says kept.
    ProgramStarter* starter = nullptr;
  };
  static Result<std::unique_ptr<ChildProcess>> start(const std::vector<std::string>& argv,
                                                     const Options& options);
  ~ChildProcess();
  int pid() const { return pid_; }
  int stdin_fd() const { return stdin_.get(); }
  int stdout_fd() const { return stdout_.get(); }
  void close_stdin() { stdin_ = UniqueFd(); }
  /// Kills the child; it still has to be waited for.
  void kill();
  /// The end of what it said on stderr so far, without the last newline; empty when discarded.
  std::string said() const;
  /// Bytes that it has written so far, to files and sockets alike; nullopt where the kernel does
  /// not tell.
  std::optional<std::uint64_t> written() const;
  /// Reaps; exit status or 128 + signal.
  Result<int> wait();
  /// Standard output, and a copy of what is kept of standard error: for another process.
  Result<std::array<UniqueFd, 2>> hand_over();

 private:
  Result<int> reap_it(int pid);
  ChildProcess() = default;
  int pid_ = -1;
  ProgramStarter* starter_ = nullptr;
  UniqueFd stdin_, stdout_, stderr_;
};

}  // namespace flense
