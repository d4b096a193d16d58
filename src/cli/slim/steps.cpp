#include "cli/slim/steps.h"

#include <algorithm>
#include <iterator>

#include "base/file.h"
#include "base/format.h"
#include "base/printable.h"
#include "cli/slim/reports.h"
#include "slim/apply/provenance.h"
#include "slim/job/python.h"
#include "slim/job/room.h"
#include "slim/job/traces.h"

namespace flense::cli {

namespace {

/// The target, opened; a tree that is slimmed where it lies is locked, too.
struct Opened {
  std::unique_ptr<const image::Image> image;
  std::shared_ptr<slim::ChangedTree> tree = {};
};

Result<Opened> open_job(const SlimJob& job, const SlimRequest& request, const Io& io) {
  Opened out;
  ImageOptions how = request.image;
  // A mirror alone has no place for other platforms.
  how.whole_index = !request.variants.empty() && !(request.output.empty() && request.name.empty());
  TRY(out.image, open_target(job.target, how, request, io));
  const bool directory = out.image->form == image::Form::kDirectory;
  if (request.in_place && !directory)
    return usage_error("--in-place is for directories and ELF files",
                       "an image needs an output: -o oci:DIR");
  if (!directory) return out;
  const std::string root = slim::path_of_output(job.target);
  if (request.in_place && !request.dry_run) {
    TRY(slim::ChangedTree tree, slim::ChangedTree::open(root));
    out.tree = std::make_shared<slim::ChangedTree>(std::move(tree));
  } else {
    TRY_DO(slim::check_whole(root));
  }
  return out;
}

/// --verify in the original, which may end everything: before anything is read. False when the
/// command fails there; says so on stderr.
Result<bool> verify_original(const SlimRequest& request, const image::Image& image,
                             const slim::Workplace& workplace,
                             std::optional<slim::UnpackedRoot>& original, Io& io) {
  if (request.verify.empty() || request.dry_run) return true;
  TRY_DO(slim::unpack_original(image, workplace, original));
  TRY(original->checked,
      with_context(slim::run_in_root(original->path, request.verify, original->environment),
                   "running the check in the original"));
  const slim::SandboxRun& run = *original->checked;
  if (run.status == 0) return true;
  TRY_DO(io.err.text(fmt::format("error: '{}' proves nothing, in the original it ends with {}\n{}",
                                 brief_command(request.verify), run.status, run.err)));
  return false;
}

Result<std::vector<slim::Input>> read_jobs(Opened opened, std::span<const SlimJob> jobs,
                                           const SlimRequest& request,
                                           const slim::Workplace& workplace,
                                           inventory::InventoryCache* cache, const Io& io) {
  std::vector<slim::SlimOptions> options;
  for (const SlimJob& job : jobs) options.push_back(job.options);
  if (const std::string& name = options.front().packing.kept_base; !name.empty()) {
    TRY(const auto base,
        with_context(open_config(name, request.image, request, io), "reading the base"));
    TRY(const std::size_t kept, slim::base_layers(*opened.image, *base));
    for (slim::SlimOptions& one : options) one.packing.kept_layers = kept;
  }
  TRY(std::vector<slim::Input> out,
      slim::read_inputs(std::move(opened.image), std::move(options), workplace, cache));
  for (slim::Input& one : out) one.tree = opened.tree;
  return out;
}

Result<slim::Traced> trace(const SlimRequest& request, const slim::Input& input,
                           const slim::Workplace& workplace,
                           std::optional<slim::UnpackedRoot>& original) {
  slim::Traced out;
  for (const std::string& file : request.trace_files)
    TRY_DO(slim::read_trace(file, input.contents.tree(), out));
  if (request.trace_commands.empty()) return out;
  TRY_DO(slim::unpack_original(*input.image, workplace, original));
  TRY_DO(slim::run_traces(request.trace_commands, *original, workplace, out));
  if (out.failure.empty() && !request.save_trace.empty())
    TRY_DO(save_named(request.save_trace, out.text));
  return out;
}

Result<void> compile_python(slim::Slimming& slimming, const slim::Workplace& workplace,
                            std::optional<slim::UnpackedRoot>& original) {
  TRY(const auto sources, slim::sources_to_compile(slimming));
  if (sources.empty()) return {};
  TRY_DO(slim::unpack_original(*slimming.input.image, workplace, original));
  return slim::add_compiled_python(sources, *original, workplace, slimming);
}

Result<std::vector<slim::Slimming>> plan_inputs(
    std::vector<slim::Input> inputs, std::span<const SlimJob> jobs, const SlimRequest& request,
    const slim::Workplace& workplace, std::optional<slim::UnpackedRoot>& original, Io& io) {
  std::vector<slim::Slimming> out;
  TRY(const slim::Traced traced, trace(request, inputs.front(), workplace, original));
  if (!traced.failure.empty()) {
    TRY_DO(print_failed_trace(traced.failure, io));
    return out;
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    TRY(slim::Slimming slimming,
        slim::plan_slimming(std::move(inputs[i]), traced, !request.verify.empty(), workplace));
    TRY_DO(with_context(compile_python(slimming, workplace, original), "compiling Python files"));
    std::ranges::copy(jobs[i].notices, std::back_inserter(slimming.plan.notices));
    out.push_back(std::move(slimming));
  }
  return out;
}

/// In a dry run what the disk must hold is a part of the answer; else it is told before the work,
/// where it is much.
Result<void> tell_room(slim::Slimming& slimming, const SlimJob& job, const SlimRequest& request,
                       Io& io) {
  constexpr std::uint64_t kMuch = 1ULL << 30;
  TRY(const slim::Room room, slim::room_needed(slimming, job.to));
  if (room.at_most == 0) return {};
  const std::string text =
      fmt::format("{} needs {}{} free on the disk", request.in_place ? "--in-place" : "the result",
                  room.certain == room.at_most ? "" : "up to ", human_bytes(room.at_most));
  if (request.dry_run) {
    slimming.plan.notices.push_back(text);
  } else if (!request.quiet && room.at_most >= kMuch) {
    TRY_DO(io.err.line(text));
  }
  return {};
}

}  // namespace

Result<slim::Workplace> workplace_of(const SlimRequest& request, const knowledge::Knowledge& tables,
                                     Progress& progress, const Io& io) {
  slim::Workplace out{scratch_directory(request.image, io),
                      {},
                      &progress,
                      io.stop,
                      {},
                      tables.drivers,
                      knowledge::OpenedFiles::read(tables.tables),
                      tables.tables.dates()};
  TRY(out.max_unpacked, max_unpacked(io));
  TRY(out.registry, registry_limits(io));
  // Without a second reading there is nobody to keep it for, but for one file's equal entries.
  if (!request.dry_run || request.options.cuts.recompress != device::CodeCompression::kKeep) {
    TRY(out.frames, device::FrameStore::create(out.scratch_directory, io.stop));
  }
  return out;
}

Result<std::optional<slim::Slimming>> plan_job(const SlimJob& job, const SlimRequest& request,
                                               const slim::Workplace& workplace,
                                               std::optional<slim::UnpackedRoot>& original,
                                               inventory::InventoryCache* cache, Io& io) {
  TRY(std::vector<slim::Slimming> one,
      plan_jobs(std::span(&job, 1), request, workplace, original, cache, io));
  if (one.empty()) return std::nullopt;
  TRY_DO(tell_room(one.front(), job, request, io));
  return std::move(one.front());
}

Result<std::vector<slim::Slimming>> plan_jobs(std::span<const SlimJob> jobs,
                                              const SlimRequest& request,
                                              const slim::Workplace& workplace,
                                              std::optional<slim::UnpackedRoot>& original,
                                              inventory::InventoryCache* cache, Io& io) {
  TRY(Opened opened, open_job(jobs.front(), request, io));
  TRY(const bool holds, verify_original(request, *opened.image, workplace, original, io));
  if (!holds) return std::vector<slim::Slimming>();
  TRY(std::vector<slim::Input> inputs,
      read_jobs(std::move(opened), jobs, request, workplace, cache, io));
  const std::shared_ptr<const image::Image> image = inputs.front().image;
  Result<std::vector<slim::Slimming>> out =
      plan_inputs(std::move(inputs), jobs, request, workplace, original, io);
  // An output waits for the digests by itself; what is told without one does here, errors too.
  const bool told = !out || request.dry_run || !request.plan_file.empty() ||
                    std::ranges::any_of(*out, [](const auto& one) { return !one.broken.empty(); });
  if (told) TRY_DO(image->verified->settle());
  return out;
}

Result<bool> verify(const SlimRequest& request, const slim::Slimming& slimming,
                    const slim::Workplace& workplace,
                    const std::optional<slim::UnpackedRoot>& original, Io& io) {
  if (request.verify.empty()) return true;
  TRY(const slim::UnpackedRoot result, slim::unpack_result(slimming, workplace));
  TRY(slim::SandboxRun run,
      with_context(slim::run_in_root(result.path, request.verify, result.environment),
                   "running the check in the slim image"));
  const slim::SandboxComparison both = slim::compare_runs(*original->checked, std::move(run));
  const std::string command = brief_command(request.verify);
  if (both.equal) {
    TRY_DO(io.err.line(fmt::format("verified: '{}' ends with {} and prints the same in both",
                                   command, both.original.status)));
  } else {
    TRY_DO(io.err.text(fmt::format("error: the slim image does not pass '{}': {}\n{}", command,
                                   both.difference, both.slim.err)));
  }
  return both.equal;
}

text::Json record_of(const SlimJob& job, const slim::Slimming& slimming,
                     const slim::SlimOutcome& outcome) {
  return slim::provenance(slimming.plan, slimming.options, outcome, job.to.name(),
                          slimming.driver_floor);
}

Result<void> write_record(const SlimJob& job, const slim::Slimming& slimming,
                          const slim::SlimOutcome& outcome) {
  if (job.provenance.empty()) return {};
  return save_named(job.provenance, text::dump_json(record_of(job, slimming, outcome), 2) + "\n");
}

}  // namespace flense::cli
