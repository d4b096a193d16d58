// Replaces this process by another program. The only place that calls execve: what the other
// program inherits is decided here, namely its arguments, its environment and descriptors 0, 1, 2.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace flense {

/// Descriptors from 3 on, ours and inherited ones, are closed by the next execve. An open
/// directory is a way out of any root that is changed to afterwards.
void close_on_exec() noexcept;

/// Those of 0, 1 and 2 that are closed become /dev/null: otherwise the next file opened gets
/// their number, and with it what is written for a person.
void open_standard_streams() noexcept;

/// All of the environment, "NAME=value".
std::vector<std::string> environment_here();

/// In the form that execve takes: made before a fork, used after it.
class NextProgram {
 public:
  /// `environment` holds "NAME=value".
  NextProgram(std::string path, std::vector<std::string> argv,
              std::vector<std::string> environment);
  NextProgram(const NextProgram&) = delete;
  NextProgram& operator=(const NextProgram&) = delete;

  /// Returns only on failure, with errno. System calls alone; `kept` are descriptors that it gets
  /// besides.
  int become(std::span<const int> kept = {}) const noexcept;

 private:
  std::string path_;
  std::vector<std::string> argv_, environment_;
  std::vector<char*> arguments_, variables_;
};

}  // namespace flense
