// An inventory as JSON: schema flense/inventory/v1 (docs/schemas/inventory-v1.json).
#pragma once

#include "inventory/compare/saved.h"
#include "inventory/describe/inventory.h"
#include "text/json.h"

namespace flense::report {

using inventory::kInventorySchema;

text::Json inventory_json(const inventory::Inventory& inventory);

}  // namespace flense::report
