#include "inventory/compare/budget.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "inventory/describe/inventory.h"

namespace flense::inventory {

namespace {

BudgetResult judge(std::string_view name, std::uint64_t limit, std::uint64_t actual,
                   std::string place, std::string what, std::string fix) {
  BudgetResult result;
  result.name = name;
  result.limit_bytes = limit;
  result.actual_bytes = actual;
  result.exceeded = actual > limit;
  if (!result.exceeded) return result;
  Finding& finding = result.finding;
  finding.rule = fmt::format("budget-{}", name.substr(4));
  finding.severity = Severity::kError;
  finding.place = std::move(place);
  finding.evidence = fmt::format("{}: {} ({} bytes)", what, human_bytes(actual), grouped(actual));
  finding.why = fmt::format("--{} allows {} ({} bytes); over by {}", name, human_bytes(limit),
                            grouped(limit), human_bytes(actual - limit));
  finding.fix = std::move(fix);
  return result;
}

BudgetResult judge_platform(const knowledge::PlatformBudget& platform, const Inventory& inventory,
                            const std::string& fix) {
  BudgetResult result;
  result.name = platform.name;
  result.limit_bytes = platform.unpacked_bytes;
  result.actual_bytes = inventory.unpacked_bytes;
  result.exceeded = result.actual_bytes > result.limit_bytes;
  if (!result.exceeded) return result;
  result.finding = {
      fmt::format("budget-{}", platform.name),
      Severity::kError,
      inventory.target,
      fmt::format("unpacked size: {} ({} bytes)", human_bytes(result.actual_bytes),
                  grouped(result.actual_bytes)),
      fmt::format("{} take {} ({} bytes); over by {} [{}]", platform.what,
                  human_bytes(result.limit_bytes), grouped(result.limit_bytes),
                  human_bytes(result.actual_bytes - result.limit_bytes), platform.source),
      fix};
  return result;
}

}  // namespace

std::vector<BudgetResult> check_budgets(const Inventory& inventory, const Budgets& budgets) {
  std::vector<BudgetResult> out;
  const std::string slim = "see the cuts above; flense slim applies them";
  if (budgets.max_size)
    out.push_back(judge("max-size", *budgets.max_size, inventory.size_bytes, inventory.target,
                        "image size", slim));
  if (budgets.max_unpacked)
    out.push_back(judge("max-unpacked", *budgets.max_unpacked, inventory.unpacked_bytes,
                        inventory.target, "unpacked size", slim));
  if (budgets.max_layer) {
    const auto largest = std::max_element(
        inventory.layers.begin(), inventory.layers.end(),
        [](const LayerFacts& a, const LayerFacts& b) { return a.size_bytes < b.size_bytes; });
    const bool any = largest != inventory.layers.end();
    out.push_back(judge(
        "max-layer", *budgets.max_layer, any ? largest->size_bytes : 0,
        any ? fmt::format("layer {} ({})", largest - inventory.layers.begin() + 1, largest->digest)
            : inventory.target,
        "largest layer", "split the instruction that writes it, or write less in it"));
  }
  if (budgets.max_waste)
    out.push_back(judge("max-waste", *budgets.max_waste, inventory.waste_bytes, inventory.target,
                        "overwritten and deleted bytes",
                        "delete files in the instruction that writes them, or flense slim"));
  for (const knowledge::PlatformBudget& platform : budgets.platforms)
    out.push_back(judge_platform(platform, inventory, slim));
  return out;
}

}  // namespace flense::inventory
