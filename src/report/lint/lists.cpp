// Formats that are lists of lines or of XML elements.
#include <map>

#include "base/format.h"
#include "base/printable.h"
#include "report/lint/places.h"
#include "report/lint/report.h"

namespace flense::report {

namespace {

using lint::Finding;

/// Of a message (GitHub: workflow commands); in properties ':' and ',' too.
std::string escaped(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ',')))
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

std::string with_fix(const Finding& finding) {
  return finding.fix.empty() ? finding.message
                             : fmt::format("{}. Fix: {}", finding.message, finding.fix);
}

/// A cell of a Markdown table: neither its bars nor HTML are the file's to write.
std::string markdown_cell(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '[') out += '\\';
    out += c == '<' ? std::string("&lt;") : std::string(1, c);
  }
  return out;
}

std::map<std::string, std::vector<const Finding*>> by_path(const LintReport& report) {
  std::map<std::string, std::vector<const Finding*>> out;
  for (const auto& file : report.project.files) out[file->source.path()];
  for (const Finding& finding : report.outcome.findings) out[finding.path].push_back(&finding);
  return out;
}

}  // namespace

std::string lint_github(const LintReport& report) {
  std::string out;
  for (const Finding& finding : report.outcome.findings) {
    const LintPlace place = place_of(report.project, finding);
    const std::string_view command = finding.severity == Severity::kError     ? "error"
                                     : finding.severity == Severity::kWarning ? "warning"
                                                                              : "notice";
    out += fmt::format("::{} file={}", command, escaped(lint::normal_path(finding.path), true));
    if (!place.whole_file)
      out += fmt::format(",line={},endLine={},col={},endColumn={}", place.begin.line,
                         place.end.line, place.begin.column, place.end.column);
    out += fmt::format(",title={}::{}\n", escaped("flense " + finding.rule, true),
                       escaped(with_fix(finding), false));
  }
  return out;
}

std::string lint_gnu(const LintReport& report) {
  std::string out;
  for (const Finding& finding : report.outcome.findings) {
    const LintPlace place = place_of(report.project, finding);
    out += fmt::format("{}:{}:{}: {}: {} [{}]\n", printable(finding.path), place.begin.line,
                       place.begin.column, to_string(finding.severity), printable(finding.message),
                       finding.rule);
  }
  return out;
}

std::string lint_markdown(const LintReport& report) {
  const auto& findings = report.outcome.findings;
  std::string out = fmt::format("### flense lint: {} finding{} in {} file{}\n", findings.size(),
                                findings.size() == 1 ? "" : "s", report.project.files.size(),
                                report.project.files.size() == 1 ? "" : "s");
  if (findings.empty()) return out;
  out += "\n| | place | what | fix | rule |\n|---|---|---|---|---|\n";
  for (const Finding& finding : findings) {
    const LintPlace place = place_of(report.project, finding);
    out += fmt::format("| {} | {}{} | {} | {} | {} |\n", to_string(finding.severity),
                       markdown_cell(finding.path),
                       place.whole_file ? "" : fmt::format(":{}", place.begin.line),
                       markdown_cell(finding.message), markdown_cell(finding.fix), finding.rule);
  }
  return out;
}

std::string lint_checkstyle(const LintReport& report) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"4.3\">\n";
  for (const auto& [path, findings] : by_path(report)) {
    out += fmt::format("  <file name=\"{}\">\n", xml_text(path));
    for (const Finding* finding : findings) {
      const LintPlace place = place_of(report.project, *finding);
      out += fmt::format(
          "    <error line=\"{}\" column=\"{}\" severity=\"{}\" message=\"{}\" "
          "source=\"flense.{}\"/>\n",
          place.begin.line, place.begin.column, to_string(finding->severity),
          xml_text(with_fix(*finding)), finding->rule);
    }
    out += "  </file>\n";
  }
  return out + "</checkstyle>\n";
}

std::string lint_junit(const LintReport& report) {
  std::string suites;
  std::size_t tests = 0;
  for (const auto& [path, findings] : by_path(report)) {
    const std::size_t cases = findings.empty() ? 1 : findings.size();
    tests += cases;
    suites += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">\n",
                          xml_text(path), cases, findings.size());
    if (findings.empty())
      suites +=
          fmt::format("    <testcase name=\"no findings\" classname=\"{}\"/>\n", xml_text(path));
    for (const Finding* finding : findings) {
      const LintPlace place = place_of(report.project, *finding);
      suites += fmt::format(
          "    <testcase name=\"{} line {}\" classname=\"{}\">\n      <failure type=\"{}\" "
          "message=\"{}\">{}</failure>\n    </testcase>\n",
          finding->rule, place.begin.line, xml_text(path), to_string(finding->severity),
          xml_text(finding->message), xml_text(with_fix(*finding)));
    }
    suites += "  </testsuite>\n";
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"flense lint\" tests=\"{}\" "
      "failures=\"{}\">\n{}</testsuites>\n",
      tests, report.outcome.findings.size(), suites);
}

}  // namespace flense::report
