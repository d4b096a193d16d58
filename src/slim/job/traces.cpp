#include "slim/job/traces.h"

#include <algorithm>
#include <iterator>

#include "base/file.h"
#include "base/printable.h"
#include "slim/sandbox/trace.h"
#include "slim/sandbox/trace_file.h"

namespace flense::slim {

namespace {

void add_paths(std::vector<std::string> paths, std::vector<std::string>& to) {
  std::ranges::move(paths, std::back_inserter(to));
}

void sort_once(std::vector<std::string>& paths) {
  std::ranges::sort(paths);
  const auto repeated = std::ranges::unique(paths);
  paths.erase(repeated.begin(), repeated.end());
}

Result<void> run_trace(const std::string& command, const UnpackedRoot& original,
                       const Workplace& workplace, Traced& traced) {
  workplace.progress->begin(fmt::format("tracing '{}'", command), 0);
  TRY(TracedRun run,
      with_context(trace_in_root(original.path, command, original.environment, workplace.stop),
                   "tracing '{}' in the original", command));
  workplace.progress->clear();
  const std::string brief = brief_command(command);
  if (run.run.status != 0) {
    traced.failure =
        fmt::format("the trace of '{}' proves nothing, in the original it ends with {}\n{}", brief,
                    run.run.status, run.run.err);
    return {};
  }
  for (const std::string& gap : run.gaps.sentences())
    traced.notices.push_back(fmt::format("the trace of '{}' has a gap: {}", brief, gap));
  traced.text += trace_text(command, run.met);
  traced.sources.push_back({command, "", run.met.used.size(), run.met.looked.size()});
  add_paths(run.met.used, traced.opened);
  add_paths(std::move(run.met.used), traced.met);
  add_paths(std::move(run.met.looked), traced.met);
  return {};
}

}  // namespace

Result<void> read_trace(const std::string& file, const image::MergedTree& tree, Traced& traced) {
  TRY(const std::string text, read_file(file, kMostTraceBytes));
  TRY(std::vector<std::string> paths, parse_trace(text, file));
  const auto missing = static_cast<std::size_t>(
      std::ranges::count_if(paths, [&](const std::string& path) { return !tree.find(path); }));
  if (missing > 0)
    traced.notices.push_back(
        fmt::format("{} of the {} paths in {} are not in the image", missing, paths.size(), file));
  traced.sources.push_back({"", file, paths.size() - missing, 0});
  add_paths(paths, traced.opened);
  add_paths(std::move(paths), traced.met);
  return {};
}

Result<void> run_traces(const std::vector<std::string>& commands, const UnpackedRoot& original,
                        const Workplace& workplace, Traced& traced) {
  for (const std::string& command : commands) {
    TRY_DO(run_trace(command, original, workplace, traced));
    if (!traced.failure.empty()) return {};
  }
  return {};
}

void heed(Traced& traced, SlimOptions& options) {
  if (options.packing.lazy) {
    add_paths(std::move(traced.opened), options.packing.prefetch);
    sort_once(options.packing.prefetch);
  }
  if (options.closure.wanted) {
    add_paths(std::move(traced.met), options.traced.paths);
    sort_once(options.traced.paths);
    options.traced.sources = std::move(traced.sources);
  } else if (!traced.sources.empty()) {
    traced.notices.push_back(
        fmt::format("{} paths that traced runs opened come first in their layers",
                    options.packing.prefetch.size()));
  }
}

}  // namespace flense::slim
