// The text of the data tables (data/*.json) as compiled into the program.
#pragma once

#include <string_view>

namespace flense::knowledge {

/// JSON text of data/NAME.json; empty when there is no such table.
std::string_view embedded_table(std::string_view name);

}  // namespace flense::knowledge
