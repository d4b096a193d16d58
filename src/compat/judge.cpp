#include "compat/judge.h"

#include <array>

#include "compat/rules.h"

namespace flense::compat {

std::span<const Rule> rules() {
  static constexpr auto kRules = std::to_array<Rule>({
      rule_driver_missing,
      rule_driver_mismatch,
      rule_driver_cuda,
      rule_forward_compat,
      rule_device_code,
      rule_fatbin_zstd,
      rule_arch_too_new,
      rule_arch_dropped,
      rule_module_kind,
      rule_driver_branch_ended,
      rule_require,
      rule_visible_devices,
      rule_driver_capabilities,
      rule_driver_baked,
      rule_stub_in_path,
  });
  return kRules;
}

HostVerdict judge(const Question& question) {
  HostVerdict out;
  out.name = question.host.source;
  out.launcher = to_string(question.launcher);
  for (const Rule rule : rules()) rule(question, out.checks);
  out.verdict = worst(out.checks);
  return out;
}

}  // namespace flense::compat
