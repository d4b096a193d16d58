#include "cli/slim/wheels.h"

#include <filesystem>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/parallel.h"
#include "base/path.h"
#include "cli/shared/html_file.h"
#include "cli/slim/reports.h"
#include "cli/slim/steps.h"
#include "report/images/slim_wheels_report.h"
#include "slim/apply/wheel.h"
#include "slim/job/wheel_index.h"

namespace flense::cli {

namespace {

constexpr std::uint64_t kMostRequirements = 64U << 20;
constexpr const char* kRequirementsFile = "requirements.txt";
constexpr const char* kIndexDirectory = "simple";

/// What became of one wheel.
struct Done {
  slim::Plan plan;
  std::vector<std::string> broken;
  std::uint64_t unpacked_before = 0, unpacked_after = 0;
  bool vendor_objects_changed = false;
  slim::SlimOutcome outcome;
  slim::WheelOutcome wheel;
};

slim::SlimOutcome outcome_of(slim::LayerOutcome layer, const slim::WheelOutcome& wheel) {
  slim::SlimOutcome out;
  out.changed = wheel.digest_before != wheel.digest_after;
  out.manifest_digest = wheel.digest_after;
  out.layers.push_back({wheel.name, wheel.digest_before, wheel.digest_after, wheel.stored_before,
                        wheel.stored_after, layer.content_before, layer.content_after});
  out.bytes_by_pass = std::move(layer.bytes_by_pass);
  out.left_alone = std::move(layer.left_alone);
  out.notices = std::move(layer.notices);
  return out;
}

/// `staging` is where the results are made; nowhere for a dry run.
Result<Done> slim_wheel(const SlimJob& job, const SlimRequest& request,
                        const slim::Workplace& workplace,
                        const std::optional<AtomicDirectory>& staging, Io& io) {
  // One line of progress is for all wheels.
  Progress quiet(false, 0, io.stop);
  slim::Workplace own = workplace;
  own.progress = &quiet;
  std::optional<slim::UnpackedRoot> nowhere;
  TRY(auto slimming, plan_job(job, request, own, nowhere, nullptr, io));
  if (!slimming) return fail(Code::kInternal, "a wheel has no trace to fail");
  Done out;
  const bool stays = staging.has_value() && slimming->broken.empty();
  if (stays) {
    TRY(out.wheel, slim::apply_wheel(job.target, slimming->plan.layers.front(),
                                     slimming->options.cuts, staging->staging(), own));
    out.outcome = outcome_of(std::exchange(out.wheel.layer, {}), out.wheel);
    SlimJob written = job;
    written.to.output = (std::filesystem::path(job.to.output) / out.wheel.name).string();
    if (out.outcome.changed && !job.provenance.empty()) {
      written.provenance = request.provenance.value_or(
          (staging->staging() / (out.wheel.name + ".provenance.json")).string());
      TRY_DO(write_record(written, *slimming, out.outcome));
    }
  }
  if (!request.plan_file.empty())
    TRY_DO(save_named(request.plan_file, text::dump_json(slim::to_json(slimming->plan), 2) + "\n"));
  const slim::SlimOutcome* outcome = stays ? &out.outcome : nullptr;
  TRY_DO(write_html(request.html, html_of(*slimming, job.to, outcome), io));
  const report::SlimReport report = report_of(*slimming, job.to, outcome);
  out.unpacked_before = report.unpacked_before;
  out.unpacked_after = report.unpacked_after;
  out.vendor_objects_changed = report.vendor_objects_changed;
  out.broken = std::move(slimming->broken);
  out.plan = std::move(slimming->plan);
  return out;
}

std::uint64_t file_size(const std::string& path) {
  std::error_code ignored;
  const std::uintmax_t size = std::filesystem::file_size(path, ignored);
  return ignored ? 0 : size;
}

Result<std::vector<Done>> slim_all(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                                   const slim::Workplace& workplace,
                                   const std::optional<AtomicDirectory>& staging, Io& io) {
  workplace.progress->begin("slimming wheels",
                            std::accumulate(jobs.begin(), jobs.end(), std::uint64_t{0},
                                            [](std::uint64_t sum, const SlimJob& job) {
                                              return sum + file_size(job.target);
                                            }));
  std::vector<Done> out(jobs.size());
  TRY_DO(parallel_for(jobs.size(), processor_count(), [&](std::size_t i) -> Result<void> {
    TRY(out[i], slim_wheel(jobs[i], request, workplace, staging, io));
    return workplace.progress->add(file_size(jobs[i].target));
  }));
  workplace.progress->clear();
  return out;
}

/// The list of requirements, and the index if asked for.
Result<std::vector<std::string>> write_lists(const std::vector<Done>& done,
                                             const SlimRequest& request,
                                             const std::filesystem::path& directory) {
  std::vector<slim::WheelOutcome> wheels;
  for (const Done& one : done) wheels.push_back(one.wheel);
  slim::Requirements list;
  if (request.requirements.empty()) {
    list = slim::requirements_of(wheels);
  } else {
    TRY(const std::string text, read_file(request.requirements, kMostRequirements));
    TRY(list, slim::follow_requirements(text, request.requirements, wheels));
  }
  TRY_DO(write_new_file(directory / kRequirementsFile, list.text));
  if (request.index) TRY_DO(slim::write_wheel_index(directory / kIndexDirectory, wheels));
  return std::move(list.notices);
}

Result<void> print(const std::vector<SlimJob>& jobs, const std::vector<Done>& done,
                   const std::vector<std::string>& notices, const SlimRequest& request, Io& io) {
  if (html_on_output(request.html)) return {};
  // A file: URL has no other paths.
  std::filesystem::path directory;
  if (!request.dry_run)
    directory = std::filesystem::absolute(jobs.front().to.output).lexically_normal();
  report::SlimWheelsReport all;
  std::string text;
  for (std::size_t i = 0; i < done.size(); ++i) {
    const Done& one = done[i];
    const bool planned = request.dry_run;
    report::SlimReport report{one.plan,
                              planned ? nullptr : &one.outcome,
                              (directory / one.wheel.name).string(),
                              one.unpacked_before,
                              one.unpacked_after,
                              one.vendor_objects_changed};
    all.add(report, planned ? std::string(base_name(jobs[i].target)) : one.wheel.name);
    // The table at the end has the sizes of all.
    slim::SlimOutcome brief = one.outcome;
    brief.layers.clear();
    if (!planned) report.outcome = &brief;
    if (planned ? !one.plan.empty() : one.outcome.changed)
      text += report::slim_text(report, text_options(request, io)) + "\n";
  }
  if (request.json && request.dry_run)
    return write_text(io, text::dump_json(slim::to_json(done.front().plan), 2) + "\n");
  for (const std::string& notice : notices) all.notice(notice);
  if (!request.dry_run)
    all.written(directory.string(), request.index ? (directory / kIndexDirectory).string() : "",
                (directory / kRequirementsFile).string());
  return request.json ? write_text(io, text::dump_json(all.json(), 2) + "\n")
                      : write_report(io, text + all.text(output_style(request, io)));
}

}  // namespace

Result<int> slim_wheels(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                        const slim::Workplace& workplace, Io& io) {
  std::optional<AtomicDirectory> staging;
  if (!request.dry_run) {
    TRY(staging, AtomicDirectory::create(jobs.front().to.output));
  }
  TRY(const std::vector<Done> done, slim_all(jobs, request, workplace, staging, io));
  for (const Done& one : done) {
    if (one.broken.empty()) continue;
    TRY_DO(print_broken(one.broken, io));
    return 1;
  }
  std::vector<std::string> notices;
  if (staging) {
    TRY(notices, write_lists(done, request, staging->staging()));
    TRY_DO(staging->commit());
  }
  TRY_DO(print(jobs, done, notices, request, io));
  return 0;
}

}  // namespace flense::cli
