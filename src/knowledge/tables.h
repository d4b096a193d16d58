// The text of the data tables (data/*.json) as compiled into the program.
#pragma once

#include <string_view>
#include <vector>

namespace flense::knowledge {

/// JSON text of data/NAME.json; empty when there is no such table.
std::string_view embedded_table(std::string_view name);
std::vector<std::string_view> embedded_table_names();
/// How the names of the tables begin that hold rules of `flense lint`.
inline constexpr std::string_view kLintTables = "lint_";

}  // namespace flense::knowledge
