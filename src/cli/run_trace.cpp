#include "cli/run_trace.h"

#include <cerrno>
#include <csignal>
#include <optional>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/path.h"
#include "image/platform.h"
#include "launch/oci_config.h"
#include "launch/stage.h"
#include "slim/trace_calls.h"
#include "slim/trace_file.h"
#include "slim/tracer.h"

namespace flense::cli {

namespace {

constexpr int kNotStarted = 125;

/// Image paths that something else is mounted on.
std::vector<std::string> covered_places(const text::Json& config) {
  std::vector<std::string> out = {"proc", "dev", "sys"};
  for (const text::Json& mount : config["mounts"].items()) {
    std::string place = resolve_link_text("", mount["destination"].text());
    if (!place.empty()) out.push_back(std::move(place));
  }
  return out;
}

Result<void> write_trace(const TracedLaunch& launch, const slim::TracedEnd& end,
                         const slim::MetPaths& met) {
  const std::string what = end.status == 0
                               ? launch.command
                               : fmt::format("{} (ended with {})", launch.command, end.status);
  TRY(AtomicFile file, AtomicFile::create(launch.file));
  TRY_DO(write_fully(file.fd(), as_bytes(slim::trace_text(what, met)), launch.file));
  return file.commit();
}

}  // namespace

void stop_at_traced_calls(text::Json& config) {
  text::Json part = config["linux"].is_object() ? config["linux"] : text::Json::object();
  text::Json seccomp = part["seccomp"].is_object() ? part["seccomp"] : text::Json::object();
  if (seccomp["defaultAction"].text().empty()) seccomp.set("defaultAction", "SCMP_ACT_ALLOW");
  // Programs of other architectures go on: they are told apart by the tracer.
  if (seccomp["architectures"].items().empty()) {
    text::Json architectures = text::Json::array();
    for (const std::string& name :
         launch::seccomp_architectures(image::host_platform().architecture))
      architectures.push(name);
    seccomp.set("architectures", std::move(architectures));
  }
  text::Json rules = text::Json::array();
  std::set<std::string_view> ruled;
  for (const text::Json& rule : seccomp["syscalls"].items()) {
    for (const text::Json& name : rule["names"].items()) ruled.insert(name.text());
    rules.push(rule);
  }
  text::Json names = text::Json::array();
  for (const slim::TracedCall& call : slim::traced_calls())
    if (!ruled.contains(call.name)) names.push(std::string(call.name));
  rules.push(text::Json::object().set("names", std::move(names)).set("action", "SCMP_ACT_TRACE"));
  // As slim/trace_calls.h: what is opened through it is seen by no filter.
  rules.push(text::Json::object()
                 .set("names", text::Json::array().push("io_uring_setup"))
                 .set("action", "SCMP_ACT_ERRNO")
                 .set("errnoRet", ENOSYS));
  seccomp.set("syscalls", std::move(rules));
  part.set("seccomp", std::move(seccomp));
  config.set("linux", std::move(part));
}

Result<int> run_and_trace(const TracedLaunch& launch, Io& io) {
  slim::PathRecorder recorder(launch.root.directory.get(), covered_places(launch.plan.config));
  std::optional<Result<slim::TracedEnd>> end;
  const auto start = [&] {
    const Result<void> failed = launch::start_stage(launch.plan.stage);
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
