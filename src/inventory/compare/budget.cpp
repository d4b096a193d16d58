#include "inventory/compare/budget.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/checked.h"
#include "base/format.h"
#include "inventory/describe/inventory.h"

namespace flense::inventory {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 18> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"K", 1000},
                                          {"KB", 1000},
                                          {"M", 1000'000},
                                          {"MB", 1000'000},
                                          {"G", 1000'000'000},
                                          {"GB", 1000'000'000},
                                          {"T", 1000'000'000'000},
                                          {"TB", 1000'000'000'000},
                                          {"KIB", 1ull << 10},
                                          {"MIB", 1ull << 20},
                                          {"GIB", 1ull << 30},
                                          {"TIB", 1ull << 40},
                                          {"KI", 1ull << 10},
                                          {"MI", 1ull << 20},
                                          {"GI", 1ull << 30},
                                          {"TI", 1ull << 40}}};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

auto not_a_size(std::string_view text) {
  return fail(Code::kUsage, "'{}' is not a size", text)
      .hint("write a number and a unit, such as 500MB, 1.5GB or 10GiB");
}

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

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
  }
  return "error";
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t whole = 0, numerator = 0, denominator = 1;
  std::size_t at = 0;
  const auto digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  if (!digit(0)) return not_a_size(text);
  for (; digit(at); ++at) {
    const auto scaled = checked_mul(whole, 10);
    const auto sum =
        scaled ? checked_add(*scaled, static_cast<std::uint64_t>(text[at] - '0')) : std::nullopt;
    if (!sum) return not_a_size(text);
    whole = *sum;
  }
  if (at < text.size() && text[at] == '.') {
    if (!digit(++at)) return not_a_size(text);
    for (; digit(at); ++at) {
      if (denominator >= 1'000'000) continue;  // finer than any unit's use
      numerator = numerator * 10 + static_cast<std::uint64_t>(text[at] - '0');
      denominator *= 10;
    }
  }
  while (at < text.size() && text[at] == ' ') ++at;
  const std::string unit = upper(text.substr(at));
  const auto* found =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == unit; });
  if (found == kUnits.end()) return not_a_size(text);
  const auto scaled = checked_mul(whole, found->factor);
  const auto fraction = checked_mul(numerator, found->factor);
  if (!scaled || !fraction) return not_a_size(text);
  const auto sum = checked_add(*scaled, *fraction / denominator);
  if (!sum) return not_a_size(text);
  return *sum;
}

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
