#include "report/images/slim_report.h"

#include <algorithm>

#include "base/format.h"
#include "base/printable.h"
#include "base/version.h"
#include "report/format/table.h"

namespace flense::report {

namespace {

constexpr std::size_t kFewRows = 8;

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::uint64_t given_back(const SlimReport& report, const slim::PassTotal& pass) {
  if (report.outcome == nullptr) return pass.bytes;
  const auto found = report.outcome->bytes_by_pass.find(pass.pass);
  return found == report.outcome->bytes_by_pass.end() ? 0 : found->second;
}

std::string passes_text(const SlimReport& report, const Style& style) {
  Table table({{"REASON", Align::kLeft, Column::Flex::kNone},
               {"FILES", Align::kRight, Column::Flex::kNone},
               {report.outcome == nullptr ? "WOULD GIVE" : "GIVEN BACK", Align::kRight,
                Column::Flex::kNone},
               {"SHARE", Align::kRight, Column::Flex::kNone},
               {"WHAT", Align::kLeft, Column::Flex::kWrap}});
  std::uint64_t total = 0;
  for (const slim::PassTotal& pass : report.plan.passes) {
    const std::uint64_t bytes = given_back(report, pass);
    if (bytes == 0) continue;
    total += bytes;
    std::string what(pass.pass.text());
    if (pass.breaks_sharing) what += " (looks beyond one layer)";
    table.add({std::string(pass.pass.id()), grouped(pass.files), human_bytes(bytes),
               percent(bytes, report.unpacked_before), std::move(what)});
  }
  if (table.empty()) return "nothing to cut for these targets at this level\n";
  table.add({"total", "", human_bytes(total), percent(total, report.unpacked_before), ""},
            Ink::kBold);
  return table.text(style);
}

std::string layers_text(const slim::SlimOutcome& outcome, const Style& style) {
  Table table({{"LAYER", Align::kRight, Column::Flex::kNone},
               {"UNPACKED", Align::kRight, Column::Flex::kNone},
               {"NOW", Align::kRight, Column::Flex::kNone},
               {"PACKED", Align::kRight, Column::Flex::kNone},
               {"NOW", Align::kRight, Column::Flex::kNone},
               {"", Align::kLeft, Column::Flex::kNone},
               {"INSTRUCTION", Align::kLeft, Column::Flex::kEnd}});
  for (std::size_t i = 0; i < outcome.layers.size(); ++i) {
    const slim::LayerSizes& layer = outcome.layers[i];
    table.add({std::to_string(i + 1), human_bytes(layer.unpacked_before),
               human_bytes(layer.unpacked_after), human_bytes(layer.stored_before),
               human_bytes(layer.stored_after),
               layer.digest_before == layer.digest_after ? "same digest" : "", layer.instruction});
  }
  return table.text(style);
}

std::string left_alone_text(const std::vector<slim::LeftAlone>& files, const Style& style,
                            bool verbose, bool planned) {
  if (files.empty()) return {};
  std::string out =
      "\n" + style.paint(Ink::kBold, planned ? "Would be left unchanged" : "Left unchanged") + "\n";
  Table table({{"COULD GIVE", Align::kRight, Column::Flex::kNone},
               {"FILE", Align::kLeft, Column::Flex::kPath},
               {"WHY", Align::kLeft, Column::Flex::kWrap}});
  const std::size_t shown = verbose ? files.size() : std::min(files.size(), kFewRows);
  for (std::size_t i = 0; i < shown; ++i)
    table.add({human_bytes(files[i].bytes), files[i].path, files[i].why});
  out += table.text(style);
  if (shown < files.size())
    out += fmt::format("  and {} more (-v lists them)\n", files.size() - shown);
  return out;
}

std::string closure_section(const slim::Plan& plan, const Style& style, bool verbose,
                            bool planned) {
  if (!plan.closure) return {};
  const slim::ClosureRecord& closure = *plan.closure;
  std::string out =
      "\n" + style.paint(Ink::kBold, "Not reached") + "  " + slim::closure_text(closure) + "\n";
  for (const std::string& start : closure.starts) out += "  from " + printable(start) + "\n";
  Table table({{planned ? "WOULD GO" : "GONE", Align::kRight, Column::Flex::kNone},
               {"FILES", Align::kRight, Column::Flex::kNone},
               {"PACKAGE", Align::kLeft, Column::Flex::kEnd},
               {"", Align::kLeft, Column::Flex::kNone}});
  const std::size_t shown =
      verbose ? closure.packages.size() : std::min(closure.packages.size(), kFewRows);
  for (std::size_t i = 0; i < shown; ++i) {
    const closure::UnreachedPackage& one = closure.packages[i];
    table.add({human_bytes(one.bytes), grouped(one.files),
               fmt::format("{} {} {}", one.type, printable(one.name), printable(one.version)),
               one.whole ? "whole" : "in part"});
  }
  if (!table.empty()) out += table.text(style);
  if (shown < closure.packages.size())
    out += fmt::format("  and {} more (-v lists them)\n", closure.packages.size() - shown);
  return out;
}

std::string compiled_text(const slim::Plan& plan) {
  if (!plan.compiled) return {};
  const slim::CompiledSources& sums = *plan.compiled;
  return fmt::format(
      "\nadded: {} compiled Python files, {}; {} were there; {} sources do not compile\n",
      grouped(sums.files), human_bytes(sums.bytes), grouped(sums.current), grouped(sums.failed));
}

std::string bolder_text(const slim::Plan& plan, const Style& style) {
  std::vector<std::pair<std::string, std::uint64_t>> rules;
  for (const auto& [rule, bytes] : plan.bolder)
    if (bytes > 0) rules.emplace_back(rule, bytes);
  if (rules.empty()) return {};
  std::ranges::stable_sort(rules, [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out =
      "\n" + style.paint(Ink::kBold, "Kept device code that bolder rules would drop") + "\n";
  Table table({{"RULE", Align::kLeft, Column::Flex::kNone},
               {"WOULD GIVE", Align::kRight, Column::Flex::kNone}});
  for (const auto& [rule, bytes] : rules) table.add({rule, human_bytes(bytes)});
  return out + table.text(style);
}

std::string traces_text(const std::vector<slim::TraceSource>& traces) {
  std::string out;
  for (const slim::TraceSource& trace : traces)
    out +=
        trace.file.empty()
            ? fmt::format("traced: {} paths used by '{}', {} more asked about\n",
                          grouped(trace.used), brief_command(trace.command), grouped(trace.looked))
            : fmt::format("traced: {} paths of {}\n", grouped(trace.used), printable(trace.file));
  return out.empty() ? out : "\n" + out;
}

std::string tables_text(const SlimReport& report, const Style& style, bool verbose) {
  const slim::Plan& plan = report.plan;
  std::string out = passes_text(report, style);
  out += closure_section(plan, style, verbose, report.outcome == nullptr);
  out += compiled_text(plan);
  if (report.outcome != nullptr && report.outcome->layers.size() > 0)
    out += "\n" + layers_text(*report.outcome, style);
  std::vector<slim::LeftAlone> left = plan.left_alone;
  if (report.outcome != nullptr)
    left.insert(left.end(), report.outcome->left_alone.begin(), report.outcome->left_alone.end());
  out += traces_text(plan.traces);
  out += left_alone_text(left, style, verbose, report.outcome == nullptr);
  out += bolder_text(plan, style);
  return out;
}

}  // namespace

std::string licence_note(bool planned) {
  return fmt::format(
      "\nnote: vendor libraries {} changed. Their licences let you use the result yourself; "
      "passing "
      "it on is not covered (CUDA EULA, Attachment A: unmodified object code).\n",
      planned ? "would be" : "were");
}

std::string slim_text(const SlimReport& report, const SlimTextOptions& options) {
  const slim::Plan& plan = report.plan;
  const Style& style = options.style;
  const bool planned = report.outcome == nullptr;
  std::string out = style.paint(Ink::kBold, printable(plan.input));
  out += fmt::format("  for {} at {}\n", plan.targets.text(), device::to_string(plan.level));
  out += fmt::format("{} -> {} unpacked ({} of the original){}\n",
                     human_bytes(report.unpacked_before), human_bytes(report.unpacked_after),
                     percent(report.unpacked_after, report.unpacked_before),
                     planned ? ", planned" : "");
  if (!options.quiet) out += "\n" + tables_text(report, style, options.verbose);
  std::vector<std::string> notices = plan.notices;
  if (report.outcome != nullptr)
    notices.insert(notices.end(), report.outcome->notices.begin(), report.outcome->notices.end());
  if (!notices.empty()) out += "\n";
  for (const std::string& notice : notices) out += "notice: " + printable(notice) + "\n";
  if (report.vendor_objects_changed) out += licence_note(planned);
  if (!report.output.empty()) {
    out += fmt::format("\nwritten: {}", printable(report.output));
    if (!report.outcome->manifest_digest.empty()) out += "  " + report.outcome->manifest_digest;
    out += "\n";
  }
  return out;
}

text::Json slim_json(const SlimReport& report, const slim::SlimOutcome& outcome) {
  using text::Json;
  const slim::Plan& plan = report.plan;
  Json out = Json::object();
  out.set("schema", "flense/slim/v1");
  out.set("flense", kVersion);
  out.set("target", plan.input);
  out.set("digest", plan.input_digest);
  out.set("targets", slim::to_json(plan.targets));
  out.set("level", device::to_string(plan.level));
  out.set("output", report.output);
  out.set("output_digest", outcome.manifest_digest);
  out.set("unpacked_bytes_before", report.unpacked_before);
  out.set("unpacked_bytes_after", report.unpacked_after);
  out.set("vendor_objects_changed", report.vendor_objects_changed);
  std::vector<slim::PassTotal> passes = plan.passes;
  for (slim::PassTotal& pass : passes) pass.bytes = given_back(report, pass);
  out.set("passes", slim::passes_json(passes));
  Json layers = Json::array();
  for (const slim::LayerSizes& layer : outcome.layers)
    layers.push(Json::object()
                    .set("instruction", layer.instruction)
                    .set("digest_before", layer.digest_before)
                    .set("digest_after", layer.digest_after)
                    .set("size_bytes_before", layer.stored_before)
                    .set("size_bytes_after", layer.stored_after)
                    .set("unpacked_bytes_before", layer.unpacked_before)
                    .set("unpacked_bytes_after", layer.unpacked_after));
  out.set("layers", std::move(layers));
  std::vector<slim::LeftAlone> left = plan.left_alone;
  left.insert(left.end(), outcome.left_alone.begin(), outcome.left_alone.end());
  out.set("left_alone", slim::left_alone_json(left));
  Json bolder = Json::object();
  for (const auto& [rule, bytes] : plan.bolder) bolder.set(rule, bytes);
  out.set("bolder_rules", std::move(bolder));
  if (!plan.traces.empty()) out.set("traces", slim::traces_json(plan.traces));
  if (plan.compiled) out.set("compiled_python", slim::compiled_json(*plan.compiled));
  Json notices = Json::array();
  for (const std::string& notice : plan.notices) notices.push(notice);
  for (const std::string& notice : outcome.notices) notices.push(notice);
  out.set("notices", std::move(notices));
  if (plan.closure) out.set("closure", slim::closure_json(*plan.closure));
  return out;
}

}  // namespace flense::report
