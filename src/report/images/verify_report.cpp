#include "report/images/verify_report.h"

#include "base/format.h"
#include "base/printable.h"
#include "base/version.h"

namespace flense::report {

namespace {

std::string difference_line(const verify::Difference& one, const Style& style) {
  std::string out = style.paint(Ink::kBold, printable(one.path.empty() ? "(image)" : one.path));
  out += ": " + printable(one.what);
  if (!one.where.empty()) out += ", " + printable(one.where);
  return out + fmt::format("\n    expected {}\n    found    {}\n", printable(one.expected),
                           printable(one.found));
}

}  // namespace

std::string_view verify_result(const verify::Findings& findings) {
  if (findings.difference_count() > 0) return "different";
  return findings.unknown_count() > 0 ? "unknown" : "equal";
}

std::string verify_text(const Verification& verification, const Style& style, std::size_t most) {
  const verify::Findings& findings = verification.findings;
  const verify::Answer& answer = verification.answer;
  std::string out =
      fmt::format("{} against {}\n", style.paint(Ink::kBold, printable(verification.target)),
                  style.paint(Ink::kBold, printable(verification.original)));
  out += fmt::format(
      "for {}, level {}; {}\n\n", printable(answer.rule.targets.text()),
      verify::to_string(answer.rule.level),
      answer.record.empty() ? "without a record" : "record " + printable(answer.record));
  for (const auto& [what, number] : findings.counts())
    out += fmt::format("  {:>10}  {}\n", grouped(number), what);
  std::size_t left = most;
  if (findings.difference_count() > 0)
    out += "\n" +
           style.paint(Ink::kRed,
                       fmt::format("{} differences", grouped(findings.difference_count()))) +
           "\n";
  for (const verify::Difference& one : findings.differences()) {
    if (left-- == 0) break;
    out += "  " + difference_line(one, style);
  }
  if (findings.difference_count() > most)
    out += fmt::format("  and {} more (--all lists them)\n",
                       grouped(findings.difference_count() - most));
  if (findings.unknown_count() > 0) out += "\n" + style.paint(Ink::kYellow, "unknown") + "\n";
  left = most;
  for (const verify::Unknown& one : findings.unknowns()) {
    if (left-- == 0) break;
    out += fmt::format("  {}{}\n", one.path.empty() ? "" : printable(one.path) + ": ",
                       printable(one.why));
  }
  const std::string_view result = verify_result(findings);
  out += result == "equal"
             ? "\n" + style.paint(Ink::kGreen, "equal but for what is meant to differ") + "\n"
             : "";
  return out;
}

text::Json verify_json(const Verification& verification, std::size_t most) {
  using text::Json;
  const verify::Findings& findings = verification.findings;
  const verify::Answer& answer = verification.answer;
  Json gpus = Json::array();
  for (const device::CudaArch gpu : answer.rule.targets.cuda) gpus.push(device::to_string(gpu));
  for (const std::string& gpu : answer.rule.targets.amd) gpus.push(gpu);
  Json differences = Json::array(), unknowns = Json::array(), proved = Json::array();
  for (const verify::Difference& one : findings.differences()) {
    if (differences.items().size() == most) break;
    differences.push(Json::object()
                         .set("path", one.path)
                         .set("what", one.what)
                         .set("where", one.where)
                         .set("expected", one.expected)
                         .set("found", one.found));
  }
  for (const verify::Unknown& one : findings.unknowns()) {
    if (unknowns.items().size() == most) break;
    unknowns.push(Json::object().set("path", one.path).set("why", one.why));
  }
  for (const auto& [what, number] : findings.counts())
    proved.push(Json::object().set("what", what).set("number", number));
  Json out = Json::object();
  out.set("schema", "flense/verify/v1")
      .set("flense", kVersion)
      .set("target", verification.target)
      .set("digest", verification.target_digest)
      .set("original", verification.original)
      .set("original_digest", verification.original_digest)
      .set("gpus", std::move(gpus))
      .set("level", verify::to_string(answer.rule.level))
      .set("record", answer.record)
      .set("paths", answer.paths)
      .set("result", verify_result(findings))
      .set("proved", std::move(proved))
      .set("difference_count", findings.difference_count())
      .set("differences", std::move(differences))
      .set("unknown_count", findings.unknown_count())
      .set("unknowns", std::move(unknowns));
  return out;
}

}  // namespace flense::report
