#include "report/format/findings.h"

#include "base/format.h"
#include "base/printable.h"

namespace flense::report {

std::string findings_text(const inventory::Finding& finding, const Style& style) {
  const Ink ink = finding.severity == Severity::kError     ? Ink::kRed
                  : finding.severity == Severity::kWarning ? Ink::kYellow
                                                           : Ink::kCyan;
  std::string out = fmt::format("  {}  {}: {}\n", style.paint(ink, finding.rule),
                                printable(finding.place), printable(finding.evidence));
  if (!finding.why.empty()) out += fmt::format("    {}\n", printable(finding.why));
  if (!finding.fix.empty()) out += fmt::format("    fix: {}\n", printable(finding.fix));
  return out;
}

text::Json finding_json(const inventory::Finding& finding) {
  text::Json out = text::Json::object();
  out.set("rule", finding.rule);
  out.set("severity", to_string(finding.severity));
  out.set("place", finding.place);
  out.set("evidence", finding.evidence);
  out.set("why", finding.why);
  out.set("fix", finding.fix);
  return out;
}

}  // namespace flense::report
