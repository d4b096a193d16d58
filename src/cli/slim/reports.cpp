#include "cli/slim/reports.h"

#include <algorithm>

#include "cli/shared/html_file.h"

namespace flense::cli {

namespace {

bool changes_vendor_objects(const slim::Plan& plan) {
  return std::ranges::any_of(plan.layers, [](const slim::LayerPlan& layer) {
    return std::ranges::any_of(
        layer.edits, [](const auto& one) { return one.second.action == slim::Action::kRewrite; });
  });
}

text::Json json_of(const report::SlimReport& report) {
  return report.outcome == nullptr ? slim::to_json(report.plan)
                                   : report::slim_json(report, *report.outcome);
}

}  // namespace

report::SlimReport report_of(const slim::Slimming& slimming, const slim::Destination& to,
                             const slim::SlimOutcome* outcome) {
  std::uint64_t before = 0, added = 0, after = 0, gain = 0;
  const std::vector<std::uint64_t> unpacked = slim::unpacked_sizes(slimming.contents());
  for (std::size_t i = 0; i < unpacked.size(); ++i)
    (slimming.image().layers[i].added ? added : before) += unpacked[i];
  if (outcome == nullptr) {
    gain = slimming.plan.bytes_given_back();
    after = before - std::min(before, gain) + added;
  } else if (outcome->layers.empty()) {
    for (const auto& [pass, bytes] : outcome->bytes_by_pass) gain += bytes;
    after = before - std::min(before, gain);
  } else {
    for (const slim::LayerSizes& layer : outcome->layers) after += layer.unpacked_after;
  }
  return {slimming.plan, outcome, outcome == nullptr ? std::string() : to.name(),
          before,        after,   changes_vendor_objects(slimming.plan)};
}

report::HtmlReport html_of(const slim::Slimming& slimming, const slim::Destination& to,
                           const slim::SlimOutcome* outcome) {
  return {slimming.input.inventory, slimming.input.contents, slimming.plan, outcome,
          outcome == nullptr ? std::string() : to.name()};
}

report::SlimTextOptions text_options(const SlimRequest& request, const Io& io) {
  return {output_style(request, io), request.quiet, request.verbose};
}

Result<void> print_report(const report::SlimReport& report, const SlimRequest& request, Io& io) {
  if (html_on_output(request.html)) return {};
  if (request.json) return write_text(io, text::dump_json(json_of(report), 2) + "\n");
  return write_report(io, report::slim_text(report, text_options(request, io)));
}

Result<void> print_failed_trace(const std::string& failure, Io& io) {
  return io.err.prose("error: " + failure);
}

Result<void> print_broken(const std::vector<std::string>& broken, Io& io) {
  std::string text = "error: the plan would break the image; nothing was written\n";
  for (const std::string& line : broken) text += "  " + line + "\n";
  text += "hint: keep the files with --keep GLOB, and please report this as a bug\n";
  return io.err.text(text);
}

}  // namespace flense::cli
