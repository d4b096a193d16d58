#include "report/verdicts/explain_text.h"

#include <algorithm>

#include "base/format.h"

namespace flense::report {

namespace {

constexpr std::size_t kTextIndent = 12;
constexpr unsigned kWidth = 100, kNarrowest = 40;

std::string paragraph(std::string_view label, std::string_view text, std::size_t width) {
  if (text.empty()) return {};
  std::string out = fmt::format("  {:<{}}", label, kTextIndent - 2);
  std::size_t column = kTextIndent;
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const std::size_t size = display_width(word);
    if (!first && column + 1 + size > width) {
      out += '\n' + std::string(kTextIndent, ' ');
      column = kTextIndent;
      first = true;
    }
    if (!first) out += ' ';
    out += word;
    column += size + (first ? 0 : 1);
    first = false;
  }
  return out + '\n';
}

struct Labels {
  std::string_view what, cause, fix;
};

Labels labels_of(std::string_view kind) {
  if (kind == "error") return {"says", "cause", "fix"};
  if (kind == "check") return {"asks", "detected", "fix"};
  if (kind == "rule") return {"finds", "why", "fix"};
  return {"means", "cause", "next"};
}

}  // namespace

std::string explanation_text(const compat::Explanation& explanation, const Style& style) {
  const std::size_t width =
      style.columns == 0 ? kWidth : std::clamp(style.columns, kNarrowest, kWidth);
  const Labels labels = labels_of(explanation.kind);
  std::string out = style.paint(Ink::kBold, explanation.title) + '\n';
  const auto add = [&](std::string_view label, const std::string& text) {
    out += paragraph(label, text, width);
  };
  add(labels.what, explanation.what);
  if (explanation.advice) add("note", std::string(knowledge::kAdviceNote));
  add(labels.cause, explanation.cause);
  add(labels.fix, explanation.fix);
  add("checks", fmt::format("{}", fmt::join(explanation.checks, ", ")));
  if (!explanation.step.empty())
    add("look", fmt::format("flense doctor, step {}", explanation.step));
  add("see", fmt::format("{}", fmt::join(explanation.documents, "; ")));
  add("source", explanation.source);
  return out;
}

std::string check_list(const knowledge::Knowledge& tables) {
  std::string out;
  for (const knowledge::CheckRow& row : tables.explained.checks)
    out += fmt::format("{:<26}{}\n", row.id, row.asks);
  return out;
}

std::string rule_list(const knowledge::LintRules& rules) {
  std::string out;
  for (const knowledge::LintRuleRow& row : rules.rows)
    out += fmt::format("{:<38}{:<9}{}\n", row.id, row.severity, row.summary);
  return out;
}

}  // namespace flense::report
