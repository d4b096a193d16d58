// A program with everything it starts, followed by ptrace(2) to the calls that name a file.
//
// The traced code carries a seccomp filter (trace_calls.h), installed by whoever starts it, so that
// the other calls run at full speed. A stop is before the call; what the call will find is looked
// up in the root (trace_paths.h), which does not change meanwhile. So one stop is enough, and a
// call that fails although the file is there counts as well: without the file it would fail
// otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "slim/sandbox/trace_paths.h"

namespace flense::slim {

/// What was not seen, in sentences for the user; empty: nothing known.
struct TraceGaps {
  std::uint64_t unread = 0;  ///< calls whose path could not be read from the program
  bool foreign = false;      ///< code of another architecture ran
  bool other_root = false;   ///< a program changed its own root directory or mounts
  std::vector<std::string> sentences() const;
};

struct TracedEnd {
  int status = 0;  ///< exit status, or 128 + signal
  TraceGaps gaps;
};

struct TracerSettings {
  std::stop_token stop = {};
  int stop_signal = 9;  ///< what the first process gets when a stop is requested
};

/// Forks; `child` runs in the new process once that is traced, and becomes the program (its value
/// is the exit status when it cannot). Returns when the first process has ended; what it left
/// running is killed, at the latest when the calling thread ends. The child processes of this
/// thread must be this one alone.
///
/// Environment error where tracing is forbidden or the kernel is older than 5.3.
Result<TracedEnd> run_traced(const std::function<int()>& child, PathRecorder& recorder,
                             const TracerSettings& settings);

}  // namespace flense::slim
