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
      rule_driver_branch_ended,
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
