#include "knowledge/explained.h"

#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

/// Every section but those of other things: what all rows of one share (who says them, what to do)
/// stands once beside them.
void read_errors(const TableSet& tables, std::string_view table, std::vector<ErrorRow>& out) {
  for (const auto& [section, content] : tables.table(table).members()) {
    if (!content.is_object() || section == "voices" || section == "harmless") continue;
    const TableRows errors(tables, table, section);
    errors.each([&](const Json& row) {
      ErrorRow made;
      made.id = text_at(row, "id");
      made.layer = std::string(errors.fact(row, "api").text());
      if (row["code"].is_number()) made.code = row["code"].unsigned_or(0);
      for (const Json& code : row["other_codes"].items())
        made.other_codes.push_back(code.unsigned_or(0));
      made.names = texts_at(row, "names");
      made.messages = texts_at(row, "messages");
      made.lines = texts_at(row, "lines");
      made.said = texts_at(row, "said");
      made.general = errors.fact(row, "general").bool_or(false);
      made.advice = errors.fact(row, "advice").bool_or(false);
      made.beside = texts_at(row, "beside");
      made.yields_to = texts_at(row, "yields_to");
      made.resolved = texts_at(row, "resolved");
      made.cause = text_at(row, "cause");
      made.fix = std::string(errors.fact(row, "fix").text());
      made.checks = texts_at(row, "checks");
      made.step = text_at(row, "step");
      made.source = errors.source(row, made.id.empty() ? made.layer : made.id);
      if (const std::string own = text_at(row, "source"); !own.empty()) made.source += "; " + own;
      out.push_back(std::move(made));
    });
  }
}

}  // namespace

Explained Explained::read(const TableSet& tables) {
  Explained out;
  for (const std::string_view table : kExplainTables)
    if (table != "checks") read_errors(tables, table, out.errors);
  TableRows(tables, "errors", "voices").each([&](const Json& row) {
    out.voices.push_back({text_at(row, "api"), texts_at(row, "words"), texts_at(row, "before")});
  });
  TableRows(tables, "errors", "harmless").each([&](const Json& row) {
    out.harmless.push_back(text_at(row, "text"));
  });
  const TableRows checks(tables, "checks", "checks");
  checks.each([&](const Json& row) {
    const std::string id = text_at(row, "id");
    out.checks.push_back({id, text_at(row, "asks"), text_at(row, "detect"), text_at(row, "fix"),
                          texts_at(row, "documents"), checks.source(row, id)});
  });
  const TableRows statuses(tables, "checks", "exit_statuses");
  statuses.each([&](const Json& row) {
    const std::uint64_t status = row["status"].unsigned_or(0);
    out.statuses.push_back({status, text_at(row, "meaning"), text_at(row, "next"),
                            statuses.source(row, fmt::format("exit status {}", status))});
  });
  return out;
}

}  // namespace flense::knowledge
