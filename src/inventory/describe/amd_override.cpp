#include "inventory/describe/amd_override.h"

#include <algorithm>

#include "device/amd_target.h"

namespace flense::inventory {

AmdOverride amd_override(const std::map<std::string, std::string>& environment) {
  constexpr std::string_view kName = "HSA_OVERRIDE_GFX_VERSION";
  AmdOverride out;
  for (const auto& [name, value] : environment) {
    if (value.empty() || (name != kName && !name.starts_with(fmt::format("{}_", kName)))) continue;
    if (!out.evidence.empty()) out.evidence += ", ";
    out.evidence += fmt::format("{}={}", name, value);
    std::string target = device::amd_target_of_override(value);
    if (target.empty())
      out.unclear = true;
    else
      out.targets.push_back(std::move(target));
  }
  return out;
}

void honour(const AmdOverride& asked, device::PruneOptions& rules) {
  std::vector<std::string>& targets = rules.targets.amd;
  if (targets.empty()) return;
  rules.keep_amd |= asked.unclear;
  targets.insert(targets.end(), asked.targets.begin(), asked.targets.end());
  std::ranges::sort(targets);
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
}

}  // namespace flense::inventory
