// `--trace CMD`: what a command of the image meets when it runs, in the sandbox of --verify.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "slim/sandbox/sandbox.h"
#include "slim/sandbox/trace_paths.h"
#include "slim/sandbox/tracer.h"

namespace flense::slim {

struct TracedRun {
  SandboxRun run;  ///< standard output is not kept
  MetPaths met;
  TraceGaps gaps;
};

/// Runs `command` as run_in_root() does, traced with everything it starts. Environment error when
/// bwrap is missing or cannot start, or when this machine forbids tracing.
Result<TracedRun> trace_in_root(const std::filesystem::path& root, const std::string& command,
                                const SandboxEnvironment& environment, const std::stop_token& stop);

}  // namespace flense::slim
