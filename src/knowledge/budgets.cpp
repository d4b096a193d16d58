#include "knowledge/budgets.h"

#include "knowledge/table_rows.h"
#include "knowledge/tables.h"

namespace flense::knowledge {

using text::Json;

Result<std::vector<PlatformBudget>> platform_budgets() {
  TRY(const Json table, text::parse_json(embedded_table("budgets"), "budgets.json"));
  std::vector<PlatformBudget> out;
  for (const Json& row : table["platforms"]["rows"].items()) {
    PlatformBudget made{text_at(row, "name"), text_at(row, "what"),
                        row["unpacked_bytes"].unsigned_or(0), text_at(row, "source")};
    if (made.name.empty() || made.unpacked_bytes == 0)
      return fail(Code::kInternal, "budgets.json has a row without a name or a limit");
    out.push_back(std::move(made));
  }
  return out;
}

}  // namespace flense::knowledge
