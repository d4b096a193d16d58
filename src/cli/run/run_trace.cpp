#include "cli/run/run_trace.h"

#include <csignal>
#include <optional>
#include <thread>

#include "base/file.h"
#include "base/path.h"
#include "cli/shared/common.h"
#include "launch/container/stage.h"
#include "slim/sandbox/trace_calls.h"
#include "slim/sandbox/trace_file.h"
#include "slim/sandbox/tracer.h"

namespace flense::cli {

namespace {

constexpr int kNotStarted = 125;

/// Image paths that something else is mounted on.
std::vector<std::string> covered_places(const std::vector<launch::OciMount>& mounts) {
  std::vector<std::string> out = {"proc", "dev", "sys"};
  for (const launch::OciMount& mount : mounts) {
    std::string place = resolve_link_text("", mount.destination);
    if (!place.empty()) out.push_back(std::move(place));
  }
  return out;
}

Result<void> write_trace(const TracedLaunch& launch, const slim::TracedEnd& end,
                         const slim::MetPaths& met) {
  const std::string what = end.status == 0
                               ? launch.command
                               : fmt::format("{} (ended with {})", launch.command, end.status);
  return save_named(launch.file, slim::trace_text(what, met));
}

}  // namespace

std::vector<std::string> traced_call_names() {
  std::vector<std::string> out;
  for (const slim::TracedCall& call : slim::traced_calls()) out.emplace_back(call.name);
  return out;
}

Result<int> run_and_trace(const TracedLaunch& launch, Io& io) {
  slim::PathRecorder recorder(launch.root.directory.get(), covered_places(launch.plan.oci.mounts));
  std::optional<Result<slim::TracedEnd>> end;
  const auto start = [&] {
    const Result<int> failed = launch::start_stage(launch.plan.stage);
    if (!failed) {
      // Nobody is left to tell when this fails.
      [[maybe_unused]] const Result<void> told = io.err.text(render(failed.error()));
    }
    return kNotStarted;
  };
  // Processes are traced by a thread, and what the container leaves running ends with it.
  std::jthread([&] { end = slim::run_traced(start, recorder, {io.stop, SIGTERM}); }).join();
  TRY(const slim::TracedEnd ended, *std::move(end));
  const slim::MetPaths met = recorder.take();
  TRY_DO(write_trace(launch, ended, met));
  for (const std::string& gap : ended.gaps.sentences())
    TRY_DO(io.err.line(fmt::format("notice: the trace has a gap: {}", gap)));
  if (recorder.full()) TRY_DO(io.err.line("notice: the trace is cut: more files than it may hold"));
  if (!launch.quiet)
    TRY_DO(io.err.line(fmt::format("traced: {} paths used, {} more asked about: {}",
                                   met.used.size(), met.looked.size(), launch.file)));
  return ended.status;
}

}  // namespace flense::cli
