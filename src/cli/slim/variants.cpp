#include "cli/slim/variants.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "cli/slim/hanging.h"
#include "cli/slim/proofs.h"
#include "cli/slim/reports.h"
#include "cli/slim/steps.h"
#include "image/model/platform.h"
#include "image/model/reference.h"
#include "image/output/push.h"
#include "report/images/slim_variants_report.h"
#include "slim/job/sboms.h"
#include "slim/job/variants.h"

namespace flense::cli {

namespace {

/// What each variant is called in the mirror; empty without one.
Result<std::vector<std::string>> mirrored(const std::vector<SlimJob>& jobs,
                                          const SlimRequest& request,
                                          std::string_view architecture) {
  std::vector<std::string> out;
  if (!request.mirror) return out;
  const auto upstream =
      image::normalise_reference(image::parse_target(request.words.front()).reference);
  for (const SlimJob& job : jobs) {
    TRY(std::string one,
        request.mirror->reference(image::mirror_name(job.options.cuts.targets.text(), architecture),
                                  upstream.value_or("")));
    out.push_back(std::move(one));
  }
  return out;
}

/// What is refused is known before the work. The architecture may turn out to be another one.
Result<void> check_mirror(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                          const slim::Workplace& workplace) {
  image::Platform platform = image::host_platform();
  if (!request.image.platform.empty()) {
    TRY(platform, image::parse_platform(request.image.platform));
  }
  TRY(const auto names, mirrored(jobs, request, platform.architecture));
  for (const std::string& name : names)
    if (!request.dry_run) TRY_DO(image::check_push("docker://" + name, workplace.registry));
  return {};
}

Result<std::vector<std::vector<image::Artefact>>> hanging_on(
    const std::vector<slim::Slimming>& slimmings) {
  std::vector<std::vector<image::Artefact>> out;
  for (const slim::Slimming& one : slimmings) {
    const std::string name = "the image for " + slim::variant_name(one.options.cuts.targets);
    TRY(image::Artefact nodes, compatibility_of(one, name));
    out.push_back({std::move(nodes)});
  }
  return out;
}

/// With the SBOMs of the original, made anew; beside a layout they are files.
Result<std::vector<Hanging>> all_hanging(const std::vector<slim::Slimming>& slimmings,
                                         const std::vector<std::vector<image::Artefact>>& hanging,
                                         const slim::Destination& to, const SlimRequest& request,
                                         const slim::Workplace& workplace,
                                         slim::VariantsLayout& layout, Io& io) {
  std::vector<Hanging> out;
  TRY(const slim::OriginalSboms original,
      slim::OriginalSboms::read(*slimmings.front().input.image, slimmings.front().contents().tree(),
                                workplace));
  for (std::size_t i = 0; i < slimmings.size(); ++i) {
    const slim::WrittenVariant& written = layout.outcome.variants[i];
    out.push_back({written.itself, hanging[i]});
    TRY(const auto image, open_target(layout.target(written), request.image, request, io));
    TRY(const slim::ReissuedSboms made, original.reissue(*image));
    for (const std::string& notice : made.notices)
      layout.outcome.notices.push_back(fmt::format("{}: {}", written.tag, notice));
    std::map<std::string, int> files;  // there may be several of one format
    for (const slim::ReissuedSbom& one : made.sboms) {
      const int number = ++files[one.ending];
      if (!to.output.empty())
        TRY_DO(save_named(fmt::format("{}.{}.{}{}", layout.path.string(),
                                      slim::variant_name(slimmings[i].options.cuts.targets),
                                      number == 1 ? "" : fmt::format("{}.", number), one.ending),
                          one.text));
      out.back().artefacts.push_back(
          {one.media_type, one.media_type, "sbom." + one.ending, one.text});
    }
  }
  return out;
}

}  // namespace

Result<int> slim_variants(const std::vector<SlimJob>& jobs, const SlimRequest& request,
                          const slim::Workplace& workplace, Io& io) {
  slim::Destination to = jobs.front().to;
  TRY_DO(check_mirror(jobs, request, workplace));
  if (!to.push_to.empty() && !request.dry_run) {
    TRY(to.shown, image::check_push(to.push_to, workplace.registry));
  }
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
  TRY(to.mirrored, mirrored(jobs, request, slimmings.front().input.image->platform.architecture));
  TRY(const auto hanging, hanging_on(slimmings));
  TRY(slim::VariantsLayout layout, slim::write_variants(slimmings, hanging, to, workplace));
  for (std::size_t i = 0; i < slimmings.size(); ++i)
    TRY_DO(write_record(jobs[i], slimmings[i], layout.outcome.variants[i].outcome));
  TRY(std::vector<Hanging> all,
      all_hanging(slimmings, hanging, to, request, workplace, layout, io));
  TRY(const bool proved, prove_variants(jobs, slimmings, request, layout, workplace, all, io));
  if (!proved) return 1;
  TRY_DO(slim::push_variants(layout, to, workplace));
  slim::VariantsOutcome& written = layout.outcome;
  TRY(const std::string named, named_on_original(*slimmings.front().input.image, workplace, io));
  if (!named.empty()) written.notices.push_back(named);
  TRY(const auto notices, attach_all(to.push_to, all, workplace, io));
  std::ranges::copy(notices, std::back_inserter(written.notices));
  if (notices.empty() && !to.push_to.empty())
    for (std::size_t i = 0; i < all.size(); ++i)
      written.variants[i].attached = std::move(all[i].artefacts);
  workplace.progress->clear();
  report::SlimVariantsReport report{to.name(), *slimmings.front().input.image, written, {}};
  for (std::size_t i = 0; i < slimmings.size(); ++i)
    report.images.push_back(report_of(slimmings[i], to, &written.variants[i].outcome));
  if (request.json)
    TRY_DO(write_text(io, text::dump_json(report::slim_variants_json(report), 2) + "\n"));
  else
    TRY_DO(write_report(io, report::slim_variants_text(report, text_options(request, io))));
  return 0;
}

}  // namespace flense::cli
