#include "knowledge/explained.h"

#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

Explained Explained::read(const TableSet& tables) {
  Explained out;
  const TableRows errors(tables, "errors", "errors");
  errors.each([&](const Json& row) {
    ErrorRow made;
    made.layer = text_at(row, "api");
    if (row["code"].is_number()) made.code = row["code"].unsigned_or(0);
    made.names = texts_at(row, "names");
    made.messages = texts_at(row, "messages");
    made.cause = text_at(row, "cause");
    made.fix = text_at(row, "fix");
    made.checks = texts_at(row, "checks");
    made.step = text_at(row, "step");
    const std::string name = made.code             ? fmt::format("{} {}", made.layer, *made.code)
                             : !made.names.empty() ? made.names.front()
                             : made.messages.empty()
                                 ? made.layer
                                 : fmt::format("{}, '{}'", made.layer, made.messages.front());
    made.source = errors.source(row, name);
    if (const std::string own = text_at(row, "source"); !own.empty()) made.source += "; " + own;
    out.errors.push_back(std::move(made));
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
