// flense run --trace FILE: the container under the tracer of flense slim, for a trace from a
// machine that has what the image needs (a GPU).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/shared/io.h"
#include "launch/launch.h"
#include "launch/rootfs/store.h"

namespace flense::cli {

/// For LaunchInput::traced.
std::vector<std::string> traced_call_names();

struct TracedLaunch {
  const launch::Launch& plan;  ///< with LaunchInput::traced
  const launch::RootFs& root;
  std::string command;  ///< as the user would write it
  std::string file;     ///< where the trace goes, also when the command fails
  bool quiet = false;
};

/// Starts the container in a process of its own and follows it to its end; the value is its status.
Result<int> run_and_trace(const TracedLaunch& launch, Io& io);

}  // namespace flense::cli
