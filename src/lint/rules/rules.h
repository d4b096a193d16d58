// The rules, one file per family. A family looks at the whole project and reports
// through the sink, which knows severities and ids from data/lint_rules.json.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/lint_rules.h"
#include "lint/project/project.h"
#include "lint/source/finding.h"

namespace flense::lint {

class FindingSink {
 public:
  FindingSink(const knowledge::LintRules& rules, std::vector<Finding>& out)
      : rules_(rules), out_(out) {}

  /// With the severity of its row. The caller completes it: evidence, fix, edits.
  Finding& add(std::string_view rule, const ProjectFile& file, Span span, std::string message);

 private:
  const knowledge::LintRules& rules_;
  std::vector<Finding>& out_;
};

struct RuleFamily {
  std::string_view name;
  /// Ids of the rules that it may report.
  std::span<const std::string_view> rules;
  void (*run)(const Project& project, FindingSink& sink);
};

/// All families, in the order of the documentation.
std::span<const RuleFamily> rule_families();

}  // namespace flense::lint
