// Linting as a whole: files in, findings out. Nothing here touches the disk.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "knowledge/lint_rules.h"
#include "lint/project/project.h"
#include "lint/source/finding.h"

namespace flense::lint {

struct Input {
  std::string path;
  std::string text;
  std::string project_path = {};  ///< SourceText::project_path(); empty: the path
};

/// Reads every file according to its kind; what cannot be read is listed in the file's problems.
Project read_project(std::vector<Input> inputs, std::vector<Context> contexts,
                     std::vector<host::Profile> hosts, const knowledge::Knowledge& knowledge);

/// A finding that a team tolerates for some time.
struct Waiver {
  std::string rule;   ///< id, number or alias
  std::string path;   ///< pattern with '*'; empty: every file
  std::string until;  ///< "2026-12-31", the last day; empty: no end
  std::string reason;
};

struct Policy {
  std::vector<std::string> ignored;                         ///< rule words
  std::vector<std::string> only;                            ///< rule words; empty: all rules
  std::map<std::string, Severity, std::less<>> severities;  ///< by rule id
  std::vector<Waiver> waivers;
  bool pedantic = false;      ///< the rules of that group too; else they are counted
  std::string today;          ///< "2026-11-21", for the waivers
  std::stop_token stop = {};  ///< once requested, the outcome is of no use
};

struct Outcome {
  std::vector<Finding> findings;  ///< by path, place and rule
  std::size_t ignored = 0;        ///< suppressed by comments and policy
  std::size_t waived = 0;
  std::size_t known = 0;     ///< in the baseline
  std::size_t pedantic = 0;  ///< hidden as nobody asked for them
  /// Files by the directories of other projects whose findings are hidden.
  std::map<std::string, std::size_t> foreign;
};

/// `others` are what another program found; ours takes its place where a rule means the same.
Outcome lint(const Project& project, const knowledge::LintRules& rules, const Policy& policy,
             std::vector<Finding> others = {});

/// Findings of one file with a mechanical fix, applied from the end to the beginning; those that
/// overlap others are left out, and, if not `unsafe`, those that change what a build or a program
/// does.
struct Fixed {
  std::string text;
  std::size_t applied = 0;  ///< findings
};
Fixed apply_fixes(const SourceText& source, const std::vector<Finding>& findings, bool unsafe);

}  // namespace flense::lint
