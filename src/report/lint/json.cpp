#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/version.h"
#include "lint/readers/readers.h"
#include "report/format/sarif.h"
#include "report/lint/places.h"
#include "report/lint/report.h"

namespace flense::report {

namespace {

using lint::Finding;
using text::Json;

Json position_json(lint::Position position) {
  return Json::object()
      .set("line", std::uint64_t{position.line})
      .set("column", std::uint64_t{position.column});
}

Json edits_json(const LintPlace& place, const Finding& finding) {
  Json out = Json::array();
  for (const lint::Edit& edit : finding.edits) {
    Json one = Json::object();
    one.set("begin", position_json(place.source->position(edit.span.begin)));
    one.set("end", position_json(place.source->position(edit.span.end)));
    one.set("text", edit.text);
    out.push(std::move(one));
  }
  return out;
}

Json finding_json(const LintReport& report, const Finding& finding, const std::string& identity) {
  const LintPlace place = place_of(report.project, finding);
  Json out = Json::object();
  out.set("rule", finding.rule);
  if (const auto* row = report.rules.find(finding.rule)) out.set("number", row->number);
  out.set("severity", to_string(finding.severity));
  out.set("path", finding.path);
  if (!place.whole_file) {
    out.set("begin", position_json(place.begin));
    out.set("end", position_json(place.end));
  }
  out.set("message", finding.message);
  Json evidence = Json::array();
  for (const std::string& one : finding.evidence) evidence.push(one);
  out.set("evidence", std::move(evidence));
  out.set("fix", finding.fix);
  out.set("fingerprint", fingerprint(identity));
  if (place.source != nullptr && !finding.edits.empty()) {
    out.set("edits", edits_json(place, finding));
    if (finding.unsafe) out.set("unsafe", true);
  }
  return out;
}

SarifLevel level_of(Severity severity) {
  if (severity == Severity::kError) return SarifLevel::kError;
  return severity == Severity::kWarning ? SarifLevel::kWarning : SarifLevel::kNote;
}

/// SARIF counts code points, not bytes.
std::uint64_t sarif_column(const lint::SourceText& source, std::size_t offset) {
  const std::size_t column = source.position(offset).column;
  return display_width(source.slice({offset - (column - 1), offset})) + 1;
}

}  // namespace

Json lint_json(const LintReport& report) {
  Json files = Json::array();
  for (const auto& file : report.project.files)
    files.push(Json::object().set("path", file->source.path()).set("kind", to_string(file->kind)));
  Json findings = Json::array();
  const auto identities = lint_identities(report.project, report.outcome.findings);
  for (std::size_t at = 0; at < identities.size(); ++at)
    findings.push(finding_json(report, report.outcome.findings[at], identities[at]));
  Json out = Json::object();
  out.set("schema", kLintSchema);
  out.set("flense", kVersion);
  out.set("files", std::move(files));
  out.set("findings", std::move(findings));
  out.set("ignored", std::uint64_t{report.outcome.ignored});
  out.set("waived", std::uint64_t{report.outcome.waived});
  out.set("known", std::uint64_t{report.outcome.known});
  out.set("pedantic", std::uint64_t{report.outcome.pedantic});
  Json foreign = Json::object();
  for (const auto& [directory, count] : report.outcome.foreign)
    foreign.set(directory, std::uint64_t{count});
  out.set("foreign", std::move(foreign));
  return out;
}

Json lint_sarif(const LintReport& report) {
  std::vector<SarifRule> rules;
  for (const knowledge::LintRuleRow& row : report.rules.rows)
    rules.push_back({row.id, row.summary, fmt::format("{} Fix: {}", row.why, row.fix), row.group});
  std::vector<SarifFinding> findings;
  const auto identities = lint_identities(report.project, report.outcome.findings);
  for (const Finding& finding : report.outcome.findings) {
    const LintPlace place = place_of(report.project, finding);
    SarifFinding& out = findings.emplace_back();
    out.rule = finding.rule;
    out.level = level_of(finding.severity);
    out.message = finding.message;
    out.artifact = finding.path;
    out.evidence = finding.evidence;
    out.fix = finding.fix;
    out.identity = identities[findings.size() - 1];
    if (place.whole_file) continue;
    out.line = place.begin.line;
    out.column = sarif_column(*place.source, finding.span.begin);
    out.end_line = place.end.line;
    out.end_column = sarif_column(*place.source, finding.span.end);
    for (const lint::Edit& edit : finding.edits) {
      const lint::Position begin = place.source->position(edit.span.begin);
      const lint::Position end = place.source->position(edit.span.end);
      out.edits.push_back({begin.line, sarif_column(*place.source, edit.span.begin), end.line,
                           sarif_column(*place.source, edit.span.end), edit.text});
    }
  }
  return sarif_log(findings, rules);
}

Json lint_gitlab(const LintReport& report) {
  Json out = Json::array();
  const auto identities = lint_identities(report.project, report.outcome.findings);
  for (std::size_t at = 0; at < identities.size(); ++at) {
    const Finding& finding = report.outcome.findings[at];
    const LintPlace place = place_of(report.project, finding);
    Json one = Json::object();
    one.set("type", "issue");
    one.set("categories", Json::array().push("Bug Risk"));
    one.set("description", finding.message);
    one.set("check_name", finding.rule);
    one.set("fingerprint", fingerprint(identities[at]));
    one.set("severity", finding.severity == Severity::kError     ? "major"
                        : finding.severity == Severity::kWarning ? "minor"
                                                                 : "info");
    Json location = Json::object();
    location.set("path", lint::normal_path(finding.path));
    location.set("lines",
                 Json::object()
                     .set("begin", std::uint64_t{place.begin.line})
                     .set("end", std::uint64_t{std::max(place.begin.line, place.end.line)}));
    one.set("location", std::move(location));
    out.push(std::move(one));
  }
  return out;
}

Json lint_sonarqube(const LintReport& report) {
  const auto impact = [](Severity severity) {
    return severity == Severity::kError     ? "HIGH"
           : severity == Severity::kWarning ? "MEDIUM"
                                            : "LOW";
  };
  Json rules = Json::array(), issues = Json::array();
  std::set<std::string, std::less<>> said;
  for (const Finding& finding : report.outcome.findings) {
    const auto* row = report.rules.find(finding.rule);
    if (said.insert(finding.rule).second) {
      Json impacts = Json::array();
      impacts.push(Json::object()
                       .set("softwareQuality", "RELIABILITY")
                       .set("severity", impact(finding.severity)));
      Json rule = Json::object();
      rule.set("id", finding.rule).set("engineId", "flense");
      rule.set("name", row == nullptr ? finding.rule : row->summary);
      rule.set("description", row == nullptr ? finding.message : row->why);
      rule.set("cleanCodeAttribute", "LOGICAL").set("impacts", std::move(impacts));
      rules.push(std::move(rule));
    }
    const LintPlace place = place_of(report.project, finding);
    Json primary = Json::object();
    primary.set("message", finding.message);
    primary.set("filePath", lint::normal_path(finding.path));
    if (!place.whole_file)
      primary.set("textRange", Json::object()
                                   .set("startLine", std::uint64_t{place.begin.line})
                                   .set("endLine", std::uint64_t{place.end.line}));
    issues.push(
        Json::object().set("ruleId", finding.rule).set("primaryLocation", std::move(primary)));
  }
  return Json::object().set("rules", std::move(rules)).set("issues", std::move(issues));
}

}  // namespace flense::report
