// An inventory as JSON: schema flense/inventory/v1 (docs/schemas/inventory-v1.json).
#pragma once

#include "inventory/compare/saved.h"
#include "report/images/inspection.h"
#include "text/json.h"

namespace flense::report {

using inventory::kInventorySchema;

text::Json inventory_json(const Inspection& inspection);

}  // namespace flense::report
