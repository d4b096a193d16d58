#include "cli/slim/variants.h"

#include "cli/slim/reports.h"
#include "cli/slim/steps.h"
#include "image/output/push.h"
#include "report/images/slim_variants_report.h"
#include "slim/job/variants.h"

namespace flense::cli {

Result<int> slim_variants(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                          const slim::Workplace& workplace, Io& io) {
  const slim::Destination& to = jobs.front().to;
  if (!to.push_to.empty() && !request.dry_run)
    TRY_DO(image::check_push(to.push_to, workplace.registry));
  std::optional<slim::UnpackedRoot> original;
  TRY(const std::vector<slim::Slimming> slimmings,
      plan_jobs(jobs, request, workplace, original, nullptr, io));
  if (slimmings.empty()) return 1;
  for (const slim::Slimming& one : slimmings) {
    if (!one.broken.empty()) {
      TRY_DO(print_broken(one.broken, io));
      return 1;
    }
    if (request.dry_run) {
      TRY_DO(print_report(report_of(one, to, nullptr), request, io));
      continue;
    }
    TRY(const bool holds, verify(request, one, workplace, original, io));
    if (!holds) return 1;
  }
  if (request.dry_run) return 0;
  original.reset();
  TRY(const slim::VariantsOutcome written, slim::write_variants(slimmings, to, workplace));
  workplace.progress->clear();
  report::SlimVariantsReport report{to.name(), *slimmings.front().input.image, written, {}};
  for (std::size_t i = 0; i < slimmings.size(); ++i) {
    const slim::SlimOutcome& outcome = written.variants[i].outcome;
    TRY_DO(write_record(jobs[i], slimmings[i], outcome));
    report.images.push_back(report_of(slimmings[i], to, &outcome));
  }
  if (request.json)
    TRY_DO(write_text(io, text::dump_json(report::slim_variants_json(report), 2) + "\n"));
  else
    TRY_DO(write_report(io, report::slim_variants_text(report, text_options(request, io))));
  return 0;
}

}  // namespace flense::cli
