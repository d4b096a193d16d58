#include "knowledge/lint_rules.h"

#include <algorithm>
#include <string>

#include "base/format.h"
#include "knowledge/table_rows.h"
#include "knowledge/tables.h"

namespace flense::knowledge {

using text::Json;

Result<LintRules> LintRules::load() {
  LintRules out;
  for (const std::string_view name : embedded_table_names()) {
    if (!name.starts_with(kLintTables)) continue;
    TRY(const Json table, text::parse_json(embedded_table(name), fmt::format("{}.json", name)));
    const Json& rules = table["rules"];
    for (const Json& row : rules["rows"].items()) {
      LintRuleRow made;
      made.id = text_at(row, "id");
      made.family = name.substr(kLintTables.size());
      made.number = row["number"].unsigned_or(0);
      made.severity = text_at(row, "severity");
      made.group = row["group"].text("default");
      made.on = texts_at(row, "on");
      made.summary = text_at(row, "summary");
      made.why = text_at(row, "why");
      made.detect = text_at(row, "detect");
      made.fix = text_at(row, "fix");
      made.automatic = row["automatic"].bool_or(false);
      made.unsafe = row["unsafe"].bool_or(false);
      made.aliases = texts_at(row, "aliases");
      made.source = text_at(row.find("source") != nullptr ? row : rules, "source");
      out.rows.push_back(std::move(made));
    }
  }
  std::ranges::stable_sort(out.rows, {}, &LintRuleRow::number);
  return out;
}

const LintRuleRow* LintRules::find(std::string_view id) const {
  const auto at = std::ranges::find(rows, id, &LintRuleRow::id);
  return at == rows.end() ? nullptr : &*at;
}

std::vector<const LintRuleRow*> LintRules::named(std::string_view word) const {
  std::vector<const LintRuleRow*> out;
  for (const LintRuleRow& row : rows)
    if (row.id == word || std::to_string(row.number) == word ||
        std::ranges::find(row.aliases, word) != row.aliases.end())
      out.push_back(&row);
  return out;
}

}  // namespace flense::knowledge
