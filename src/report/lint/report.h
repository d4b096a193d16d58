// Findings of `flense lint` in the formats that people, editors and code hosts read.
#pragma once

#include <string>
#include <string_view>

#include "knowledge/lint_rules.h"
#include "lint/lint.h"
#include "report/format/style.h"
#include "text/json.h"

namespace flense::report {

inline constexpr std::string_view kLintSchema = "flense/lint/v1";

struct LintReport {
  const lint::Project& project;
  const lint::Outcome& outcome;
  const knowledge::LintRules& rules;
};

/// "PATH:LINE:COLUMN: error: message [rule]", the line with a caret, evidence and fix, and a
/// summary unless `quiet`.
std::string lint_text(const LintReport& report, const Style& style, bool quiet);
/// docs/schemas/lint-v1.json.
text::Json lint_json(const LintReport& report);
/// SARIF 2.1.0 with fixes.
text::Json lint_sarif(const LintReport& report);
/// Commands of GitHub Actions' log: "::error file=…".
std::string lint_github(const LintReport& report);
/// For a job's summary.
std::string lint_markdown(const LintReport& report);
/// Code Climate's issues as one array, which is GitLab's code quality report too.
text::Json lint_gitlab(const LintReport& report);
/// Generic issues of SonarQube 10.3 and later.
text::Json lint_sonarqube(const LintReport& report);
/// "PATH:LINE:COLUMN: error: message [rule]" alone, a line each: the form of GNU's programs.
std::string lint_gnu(const LintReport& report);
/// Checkstyle 4.3 XML.
std::string lint_checkstyle(const LintReport& report);
/// JUnit XML: a suite for each file, a failed case for each finding, one that passes for a file
/// without any.
std::string lint_junit(const LintReport& report);

/// The changes that --fix would make, as a unified diff without context beyond three lines; empty
/// when there are none.
std::string unified_diff(const lint::SourceText& source, std::string_view changed);

}  // namespace flense::report
