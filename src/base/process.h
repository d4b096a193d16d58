// Child processes without a shell: argument vectors, pipes, captured output.
#pragma once

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

/// Runs to the end, capturing at most `limit` bytes of each stream. An unstartable program is an
/// environment error; a non-zero status is not an error here.
Result<ProcessOutput> run_process(const std::vector<std::string>& argv,
                                  std::uint64_t limit = 16u << 20);

/// A running child whose stdin or stdout is a pipe to us. Destruction kills and reaps it. What it
/// says on stderr reaches no terminal: it may repeat what stands in an image.
class ChildProcess {
 public:
  struct Options {
    bool pipe_stdin = false;
    bool pipe_stdout = false;  ///< when not piped: to stderr
    int stdin_fd = -1;         ///< when not piped: this descriptor, or /dev/null
    bool discard_stderr = false;
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
  /// Reaps; exit status or 128 + signal.
  Result<int> wait();

 private:
  ChildProcess() = default;
  int pid_ = -1;
  UniqueFd stdin_, stdout_, stderr_;
};

}  // namespace flense
