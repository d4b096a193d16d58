#include "cli/slim/fleet.h"

#include <system_error>

#include "base/private_directory.h"
#include "cli/slim/reports.h"
#include "cli/slim/steps.h"
#include "report/images/slim_fleet_report.h"
#include "slim/apply/layer_pool.h"

namespace flense::cli {

namespace {

/// A cache for this run alone, so that a layer is read once; null where none can be had.
std::unique_ptr<inventory::InventoryCache> cache_of_run(const TemporaryDirectory& work) {
  constexpr std::uint64_t kMost = 4ull << 30;
  auto store = inventory::EntryStore::open(work.path() / "inventories", kMost);
  if (!store) return nullptr;
  return std::make_unique<inventory::InventoryCache>(std::move(*store));
}

/// The result as an input for the next images.
Result<void> remember(const SlimJob& job, slim::SlimOutcome& outcome, slim::LayerPool& pool) {
  TRY(auto written, image::open_image(job.to.output, {}));
  pool.add(std::move(written), outcome.keys, std::move(outcome.written));
  return {};
}

Result<void> make_directory(const std::string& output) {
  TRY(const image::OutputSpec spec, image::parse_output(output, {}));
  std::error_code error;
  std::filesystem::create_directories(spec.path.parent_path(), error);
  if (error)
    return system_error(error.value(), "cannot create " + spec.path.parent_path().string());
  return {};
}

}  // namespace

Result<int> slim_fleet(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                       const slim::Workplace& workplace, Io& io) {
  if (!request.dry_run) TRY_DO(make_directory(jobs.front().to.output));
  TRY(const TemporaryDirectory work,
      TemporaryDirectory::create(workplace.scratch_directory, "flense-work"));
  const auto cache = cache_of_run(work);
  slim::LayerPool pool;
  report::SlimFleetReport fleet;
  for (const SlimJob& job : jobs) {
    std::optional<slim::UnpackedRoot> original;
    TRY(const auto slimming,
        with_context(plan_job(job, request, workplace, original, cache.get(), io), "slimming {}",
                     job.target));
    if (!slimming) return 1;
    if (!slimming->broken.empty()) {
      TRY_DO(print_broken(slimming->broken, io));
      return 1;
    }
    if (request.dry_run) {
      TRY_DO(print_report(report_of(*slimming, job.to, nullptr), request, io));
      fleet.add_planned(slimming->plan, slim::unpacked_sizes(slimming->contents()));
      continue;
    }
    TRY(const bool holds, verify(request, *slimming, workplace, original, io));
    if (!holds) return 1;
    original.reset();
    TRY(slim::SlimOutcome outcome,
        with_context(slim::write_result(*slimming, job.to, workplace, &pool), "slimming {}",
                     job.target));
    workplace.progress->clear();
    TRY_DO(write_record(job, *slimming, outcome));
    const report::SlimReport report = report_of(*slimming, job.to, &outcome);
    fleet.add(report);
    if (!request.json)
      TRY_DO(write_report(io, report::slim_text(report, text_options(request, io)) + "\n"));
    TRY_DO(remember(job, outcome, pool));
  }
  if (request.json) {
    TRY_DO(write_text(io, text::dump_json(fleet.json(), 2) + "\n"));
  } else if (!request.quiet) {
    TRY_DO(write_report(io, fleet.text(output_style(request, io))));
  }
  return 0;
}

}  // namespace flense::cli
