#include "cli/slim/run.h"

#include <algorithm>
#include <iterator>
#include <system_error>

#include "base/file.h"
#include "cli/shared/args.h"
#include "cli/shared/common.h"
#include "report/format/style.h"
#include "slim/sandbox/sandbox.h"
#include "slim/sandbox/trace.h"
#include "slim/sandbox/trace_file.h"

namespace flense::cli {

slim::SandboxEnvironment sandbox_environment(const image::Image& image) {
  slim::SandboxEnvironment out;
  for (const text::Json& variable : image.config["config"]["Env"].items())
    out.environment.emplace_back(variable.text());
  if (out.environment.empty())
    out.environment.emplace_back(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  out.working_directory = image.config["config"]["WorkingDir"].text("/");
  return out;
}

namespace {

/// As the image is, or as it becomes: files in a directory, nothing packed.
slim::SlimOptions unpacking(const slim::SlimOptions& options) {
  slim::SlimOptions out = options;
  out.packing.compression = codec::Compression::kNone;
  out.packing.lazy = false;
  out.packing.split_bytes = 0;
  out.packing.kept_layers = 0;
  return out;
}

Result<std::filesystem::path> work_directory(SlimSubject& subject) {
  if (!subject.work) {
    TRY(TemporaryDirectory made,
        TemporaryDirectory::create(subject.workplace.scratch_directory, "flense-work"));
    subject.work = std::make_unique<TemporaryDirectory>(std::move(made));
  }
  return subject.work->path();
}

}  // namespace

Result<std::filesystem::path> original_root(SlimSubject& subject) {
  if (!subject.original_root.empty()) return subject.original_root;
  TRY(const std::filesystem::path work, work_directory(subject));
  slim::Plan nothing;
  nothing.layers.resize(subject.image->layers.size());
  slim::SlimOptions options = unpacking(subject.options);
  options.packing.squash = false;
  const image::OutputSpec spec{image::OutputForm::kDirectory, work / "original", {}};
  subject.progress->begin("unpacking the original", 0);
  TRY_DO(with_context(write_image(spec, subject, nothing, options), "unpacking the original"));
  subject.progress->clear();
  TRY_DO(slim::add_mount_points(spec.path));
  subject.original_root = spec.path;
  return spec.path;
}

namespace {

Result<std::filesystem::path> slim_root(SlimSubject& subject) {
  TRY(const std::filesystem::path work, work_directory(subject));
  const image::OutputSpec spec{image::OutputForm::kDirectory, work / "slim", {}};
  subject.progress->begin("unpacking the slim image", 0);
  TRY_DO(with_context(write_image(spec, subject, subject.plan, unpacking(subject.options)),
                      "unpacking the slim image"));
  subject.progress->clear();
  TRY_DO(slim::add_mount_points(spec.path));
  return spec.path;
}

void add_paths(std::vector<std::string> paths, std::vector<std::string>& to) {
  to.insert(to.end(), std::make_move_iterator(paths.begin()), std::make_move_iterator(paths.end()));
}

/// What a start opens is what a lazy pull should bring before it.
void add_first(const std::vector<std::string>& paths, slim::SlimOptions& options) {
  if (options.packing.lazy)
    options.packing.prefetch.insert(options.packing.prefetch.end(), paths.begin(), paths.end());
}

void sort_once(std::vector<std::string>& paths) {
  std::ranges::sort(paths);
  const auto repeated = std::ranges::unique(paths);
  paths.erase(repeated.begin(), repeated.end());
}

Result<void> run_trace(const std::string& command, SlimSubject& subject, const Io& io,
                       std::string& saved) {
  TRY(const std::filesystem::path root, original_root(subject));
  subject.progress->begin(fmt::format("tracing '{}'", command), 0);
  TRY(slim::TracedRun traced,
      with_context(slim::trace_in_root(root, command, sandbox_environment(*subject.image), io.stop),
                   "tracing '{}' in the original", command));
  subject.progress->clear();
  if (traced.run.status != 0) {
    subject.failed_trace =
        fmt::format("the trace of '{}' proves nothing, in the original it ends with {}\n{}",
                    report::brief_command(command), traced.run.status, traced.run.err);
    return {};
  }
  for (const std::string& gap : traced.gaps.sentences())
    subject.trace_notices.push_back(
        fmt::format("the trace of '{}' has a gap: {}", report::brief_command(command), gap));
  saved += slim::trace_text(command, traced.met);
  subject.options.traced.sources.push_back(
      {command, "", traced.met.used.size(), traced.met.looked.size()});
  add_first(traced.met.used, subject.options);
  add_paths(std::move(traced.met.used), subject.options.traced.paths);
  add_paths(std::move(traced.met.looked), subject.options.traced.paths);
  return {};
}

Result<void> read_trace(const std::string& file, SlimSubject& subject) {
  TRY(const std::string text, read_file(file, slim::kMostTraceBytes));
  TRY(std::vector<std::string> paths, slim::parse_trace(text, file));
  const auto missing = static_cast<std::size_t>(std::ranges::count_if(
      paths, [&](const std::string& path) { return !subject.contents->tree().find(path); }));
  if (missing > 0)
    subject.trace_notices.push_back(
        fmt::format("{} of the {} paths in {} are not in the image", missing, paths.size(), file));
  subject.options.traced.sources.push_back({"", file, paths.size() - missing, 0});
  add_first(paths, subject.options);
  add_paths(std::move(paths), subject.options.traced.paths);
  return {};
}

Result<void> save_trace(const std::string& path, const std::string& text) {
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_DO(write_fully(file.fd(), as_bytes(text), path));
  return file.commit();
}

}  // namespace

Result<void> read_tracing(const ParsedArgs& args, SlimRequest& request) {
  request.trace_commands = args.values("--trace");
  request.trace_files = args.values("--trace-file");
  request.save_trace = args.value("--save-trace");
  const bool commands = !request.trace_commands.empty();
  if (!request.save_trace.empty() && !commands)
    return fail(Code::kUsage, "--save-trace has no trace to save")
        .hint("name a command with --trace CMD");
  if ((commands || !request.trace_files.empty()) && !request.options.closure.wanted &&
      !request.options.packing.lazy)
    return fail(Code::kUsage,
                "{} adds to what --closure keeps and says what comes first in layers of "
                "--compression estargz; it is nothing without one of them",
                commands ? "--trace" : "--trace-file")
        .hint("add --closure --level aggressive, or leave it out");
  request.options.traced.decide = args.has("--trace-decides");
  if (request.options.traced.decide && !commands && request.trace_files.empty())
    return usage_error("--trace-decides has no trace to go by",
                       "add --trace CMD or --trace-file FILE");
  if (request.options.traced.decide && !request.options.closure.wanted)
    return usage_error("--trace-decides is about what --closure keeps",
                       "add --closure --level aggressive, or leave it out");
  if (request.options.traced.decide && request.options.closure.minimal)
    return usage_error("--trace-decides is about packages, and --minimal keeps none whole",
                       "leave it out");
  return {};
}

Result<void> add_traces(const SlimRequest& request, SlimSubject& subject, const Io& io) {
  for (const std::string& file : request.trace_files) TRY_DO(read_trace(file, subject));
  std::string saved;
  for (const std::string& command : request.trace_commands) {
    TRY_DO(run_trace(command, subject, io, saved));
    if (!subject.failed_trace.empty()) return {};
  }
  sort_once(subject.options.traced.paths);
  sort_once(subject.options.packing.prefetch);
  if (!subject.options.closure.wanted && !subject.options.traced.sources.empty()) {
    // Nothing is kept for their sake.
    subject.options.traced.paths.clear();
    subject.options.traced.sources.clear();
    subject.trace_notices.push_back(
        fmt::format("{} paths that traced runs opened come first in their layers",
                    subject.options.packing.prefetch.size()));
  }
  return request.save_trace.empty() ? Result<void>() : save_trace(request.save_trace, saved);
}

Result<bool> verify_by_running(const SlimRequest& request, SlimSubject& subject, Io& io) {
  TRY(const std::filesystem::path original, original_root(subject));
  TRY(const std::filesystem::path slimmed, slim_root(subject));
  TRY(const slim::SandboxComparison result,
      slim::compare_in_roots(original, slimmed, request.verify_command,
                             sandbox_environment(*subject.image)));
  // Twice the image's size need not lie there while the output is written.
  subject.work.reset();
  subject.original_root.clear();
  if (result.equal) {
    TRY_DO(io.err.line(fmt::format("verified: '{}' ends with {} and prints the same in both",
                                   report::brief_command(request.verify_command),
                                   result.original.status)));
    return true;
  }
  TRY_DO(io.err.text(
      fmt::format("error: the slim image does not pass '{}': {}\n{}",
                  report::brief_command(request.verify_command), result.difference,
                  result.original.status != 0 ? result.original.err : result.slim.err)));
  return false;
}

}  // namespace flense::cli
