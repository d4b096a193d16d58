// Limits that an image must keep: sizes as users write them, and the verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inventory/describe/finding.h"
#include "knowledge/budgets.h"

namespace flense::inventory {

struct Inventory;

struct Budgets {
  std::optional<std::uint64_t> max_size;  ///< of the image as stored (compressed layers)
  std::optional<std::uint64_t> max_unpacked;
  std::optional<std::uint64_t> max_layer;  ///< of the largest layer as stored
  std::optional<std::uint64_t> max_waste;  ///< overwritten and deleted bytes, unpacked
  std::vector<knowledge::PlatformBudget> platforms = {};
};

std::vector<BudgetResult> check_budgets(const Inventory& inventory, const Budgets& budgets);

}  // namespace flense::inventory
