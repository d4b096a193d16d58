// A supervising process beside the engine's, only where one is needed: a shell stops and continues
// what it has started, a terminal hangs up, a container has to end with whoever started it.
// Elsewhere this process becomes the engine, and no extra process runs beside each rank.
#pragma once

#include <functional>

#include "base/result.h"

namespace flense::launch {

struct Supervision {
  /// What is started ends with this process, and this process with its parent, whatever ends them.
  /// The next child must be the first process of a PID namespace, whose end is that of all in it.
  bool die_with_parent = false;
  /// Standard input is a terminal that the engine reads: when it hangs up, the engine is ended,
  /// which would go on asking it.
  bool terminal = false;
  /// The command is the first process of a PID namespace, which gets no signal that it does not
  /// handle: a hang-up ends it all the same.
  bool first_process = false;
};

/// Whether a shell would stop and continue us as a job of its terminal.
bool is_job();

/// Forks; `become` turns the new process into the engine, or says why it cannot. Signals that come
/// are handed on; a stop also reaches the container's first process and its group. The engine's
/// exit status, 128 + N for a signal; an environment error when it could not be started.
Result<int> supervise(const Supervision& how, const std::function<Result<void>()>& become);

}  // namespace flense::launch
