// What `flense inspect` reports: the image as it is, what could be cut, and the limits asked about.
#pragma once

#include <vector>

#include "inventory/describe/finding.h"
#include "inventory/describe/inventory.h"
#include "slim/plan/plan.h"

namespace flense::report {

struct Inspection {
  const inventory::Inventory& inventory;
  const slim::Plan& plan;
  const std::vector<inventory::BudgetResult>& budgets;
};

}  // namespace flense::report
