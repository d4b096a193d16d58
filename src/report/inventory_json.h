// An inventory as JSON: schema flense/inventory/v1 (docs/schemas/inventory-v1.json).
#pragma once

#include "inventory/inventory.h"
#include "text/json.h"

namespace flense::report {

inline constexpr const char* kInventorySchema = "flense/inventory/v1";

text::Json inventory_json(const inventory::Inventory& inventory);

}  // namespace flense::report
