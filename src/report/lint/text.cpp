#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/printable.h"
#include "report/lint/places.h"
#include "report/lint/report.h"

namespace flense::report {

namespace {

using lint::Finding;

Ink severity_ink(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return Ink::kRed;
    case Severity::kWarning:
      return Ink::kYellow;
    case Severity::kInfo:
      break;
  }
  return Ink::kCyan;
}

/// One column for each byte that is shown: tabs become a blank.
std::string shown(std::string_view line) {
  std::string out(line);
  std::ranges::replace(out, '\t', ' ');
  return printable(out);
}

std::string excerpt(const LintPlace& place, const Style& style, Ink ink) {
  constexpr std::size_t kLongest = 160;
  const std::string_view line = place.source->line(place.begin.line);
  const std::size_t first = place.begin.column - 1;
  const std::size_t last = place.end.line == place.begin.line ? place.end.column - 1 : line.size();
  // Of a long line, the part around the caret.
  const std::size_t from = line.size() <= kLongest || first < kLongest / 2 ? 0 : first - 40;
  const std::string_view part = line.substr(std::min(from, line.size()), kLongest);
  const std::size_t width =
      std::max<std::size_t>(1, std::min(last, from + part.size()) - std::min(first, last));
  const std::string number = fmt::format("{}", place.begin.line);
  const std::size_t start = std::min(first, line.size());
  const std::string before = shown(line.substr(from, start - std::min(from, start)));
  const std::size_t marks =
      std::max<std::size_t>(1, display_width(shown(line.substr(start, width))));
  return fmt::format("  {} | {}\n  {} | {}{}\n", number, shown(part),
                     std::string(number.size(), ' '), std::string(display_width(before), ' '),
                     style.paint(ink, "^" + std::string(marks - 1, '~')));
}

std::string counted(std::size_t number, std::string_view word) {
  return fmt::format("{} {}{}", number, word, number == 1 ? "" : "s");
}

std::string lint_summary(const LintReport& report, const Style& style) {
  std::size_t errors = 0, warnings = 0, hints = 0, fixable = 0, unsafe = 0;
  for (const Finding& finding : report.outcome.findings) {
    errors += finding.severity == Severity::kError ? 1U : 0U;
    warnings += finding.severity == Severity::kWarning ? 1U : 0U;
    hints += finding.severity == Severity::kInfo ? 1U : 0U;
    fixable += finding.edits.empty() || finding.unsafe ? 0U : 1U;
    unsafe += finding.edits.empty() || !finding.unsafe ? 0U : 1U;
  }
  const std::string files = counted(report.project.files.size(), "file");
  std::string out = report.outcome.findings.empty()
                        ? style.paint(Ink::kGreen, fmt::format("no findings in {}", files))
                        : fmt::format("{}, {}, {} in {}", counted(errors, "error"),
                                      counted(warnings, "warning"), counted(hints, "hint"), files);
  if (report.outcome.ignored + report.outcome.waived > 0)
    out += fmt::format("; {} ignored, {} waived", report.outcome.ignored, report.outcome.waived);
  out += "\n";
  if (report.outcome.known > 0) out += fmt::format("{} known before\n", report.outcome.known);
  if (report.outcome.pedantic > 0)
    out += fmt::format("--pedantic shows {} more\n", report.outcome.pedantic);
  if (const auto& foreign = report.outcome.foreign; !foreign.empty()) {
    constexpr std::size_t kMostNamed = 3;
    std::size_t count = 0, named = 0;
    std::string names;
    for (const auto& [directory, number] : foreign) {
      count += number;
      if (++named <= kMostNamed)
        names += fmt::format("{}{}", named > 1 ? ", " : "", printable(directory));
    }
    if (named > kMostNamed) names += fmt::format(" and {} more", named - kMostNamed);
    out += fmt::format("{} of other projects judged with --pedantic only, or when named: {}\n",
                       counted(count, "file"), names);
  }
  if (fixable > 0) out += fmt::format("--fix fixes {} of them, --diff shows how\n", fixable);
  if (unsafe > 0)
    out += fmt::format("--fix=unsafe fixes {} {}, which changes what is built or run\n", unsafe,
                       fixable > 0 ? "more" : "of them");
  if (!report.outcome.findings.empty())
    out += fmt::format("flense explain {} says more about a rule\n",
                       report.outcome.findings.front().rule);
  return out;
}

}  // namespace

std::string lint_text(const LintReport& report, const Style& style, bool quiet) {
  std::string out;
  for (const Finding& finding : report.outcome.findings) {
    const LintPlace place = place_of(report.project, finding);
    const Ink ink = severity_ink(finding.severity);
    out += place.whole_file ? fmt::format("{}: ", printable(finding.path))
                            : fmt::format("{}:{}:{}: ", printable(finding.path), place.begin.line,
                                          place.begin.column);
    out +=
        fmt::format("{}: {} {}\n", style.paint(ink, to_string(finding.severity)),
                    printable(finding.message), style.paint(Ink::kDim, "[" + finding.rule + "]"));
    if (!place.whole_file) out += excerpt(place, style, ink);
    for (const std::string& one : finding.evidence)
      out += fmt::format("  evidence: {}\n", printable(one));
    if (!finding.fix.empty()) out += fmt::format("  fix: {}\n", printable(finding.fix));
    out += "\n";
  }
  if (!quiet) out += lint_summary(report, style);
  return out;
}

}  // namespace flense::report
