// A saved inventory (flense/inventory/v1, what `flense inspect --json` prints) back as a value. It
// is read as what a stranger wrote: wrong types are bad input, sums are not believed but made anew.
#pragma once

#include <string_view>

#include "base/result.h"
#include "inventory/describe/inventory.h"

namespace flense::inventory {

inline constexpr const char* kInventorySchema = "flense/inventory/v1";

/// True when the text looks like one of our JSON documents, so that parse_inventory() may be asked.
bool looks_like_json(std::string_view first_bytes);

/// `what` names the document in errors. Cuts, waste by file, largest files and budgets are not
/// read.
Result<Inventory> parse_inventory(std::string_view text, std::string_view what);

}  // namespace flense::inventory
