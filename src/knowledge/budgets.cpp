#include "knowledge/budgets.h"

#include "knowledge/table_rows.h"

namespace flense::knowledge {

std::vector<PlatformBudget> read_budgets(const TableSet& tables) {
  std::vector<PlatformBudget> out;
  for (const text::Json& row : tables.table("budgets")["platforms"]["rows"].items())
    out.push_back({text_at(row, "name"), text_at(row, "what"), row["unpacked_bytes"].unsigned_or(0),
                   text_at(row, "source")});
  return out;
}

}  // namespace flense::knowledge
