#include "lint/rules/rules.h"

namespace flense::lint {

Finding& FindingSink::add(std::string_view rule, const ProjectFile& file, Span span,
                          std::string message) {
  Finding& out = out_.emplace_back();
  out.rule = rule;
  out.path = file.source.path();
  out.span = span;
  out.message = std::move(message);
  if (const knowledge::LintRuleRow* row = rules_.find(rule)) {
    out.severity = severity_of(row->severity);
    out.fix = row->fix;
  }
  return out;
}

}  // namespace flense::lint
