#include "compat/judge.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/format.h"
#include "compat/facts/image_facts.h"
#include "compat/facts/visible_gpus.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

Question question_for(const Question& asked, const host::Profile& host) {
  return {asked.image,          host,        asked.tables,          asked.launcher,
          asked.redistribution, asked.facts, asked.launcher_assumed};
}

/// What concerns the GPUs that the program sees, and not what the machine has.
bool asks_about_visible_gpus(Rule rule) {
  static constexpr auto kRules = std::to_array<Rule>(
      {rule_slim_target, rule_arch_too_new, rule_arch_dropped, rule_device_code, rule_fatbin_zstd,
       rule_framework_build, rule_run_time_compiler, rule_weights_memory, rule_tensorrt_plan,
       rule_rocm_driver, rule_rocm_gpu, rule_gfx_code});
  return std::ranges::find(kRules, rule) != kRules.end();
}

/// Which tell of GPUs that another driver holds.
bool asks_about_all_gpus(Rule rule) {
  return rule == rule_driver_missing || rule == rule_amd_nodes;
}

/// Of a rule for several sets of GPUs, of which one is there: what fails for some of them alone is
/// unknown.
std::vector<Check> checks_of(Rule rule, const Question& asked, const VisibleGpus& visible) {
  std::vector<std::vector<Check>> answers;
  for (const host::Profile& host : visible.alternatives) {
    rule(question_for(asked, host), answers.emplace_back());
  }
  const auto worst_of = [](const std::vector<Check>& checks) {
    return checks.empty() ? Verdict::kOk : worst(checks);
  };
  const auto [best, bad] = std::ranges::minmax_element(answers, {}, worst_of);
  std::vector<Check> out = *bad;
  const bool differ = worst_of(*best) < Verdict::kUnsupported;
  for (Check& check : out) {
    check.evidence.push_back({"image", visible.statement});
    if (!differ || (check.verdict != Verdict::kFail && check.verdict != Verdict::kUnsupported))
      continue;
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("{}, and which it leaves is unknown; if it is this GPU: {}",
                                visible.statement, check.message);
    if (visible.statement.starts_with("CUDA_VISIBLE_DEVICES"))
      check.fix =
          "name the GPU by its UUID in CUDA_VISIBLE_DEVICES, or set "
          "CUDA_DEVICE_ORDER=PCI_BUS_ID for a machine whose GPUs are known; or " +
          check.fix;
  }
  return out;
}

}  // namespace

std::span<const Rule> rules() {
  // clang-format off
  static constexpr auto kRules = std::to_array<Rule>({
      rule_platform,
      rule_vendor_mismatch,
      rule_slim_target,
      rule_slim_driver_floor,
      rule_driver_missing,
      rule_driver_mismatch,
      rule_driver_cuda,
      rule_forward_compat,
      rule_module_kind,
      rule_arch_too_new,
      rule_arch_dropped,
      rule_rocm_driver,
      rule_rocm_gpu,
      rule_device_code,
      rule_fatbin_zstd,
      rule_gfx_code,
      rule_framework_cpu_only,
      rule_framework_build,
      rule_runtime_mixed,
      rule_foreign_build,
      rule_library_missing,
      rule_run_time_compiler,
      rule_too_new,
      rule_libc,
      rule_cpu_level,
      rule_kernel_distance,
      rule_rdma_userspace,
      rule_require,
      rule_visible_devices,
      rule_device_access,
      rule_driver_capabilities,
      rule_driver_baked,
      rule_stub_in_path,
      rule_amd_nodes,
      rule_driver_branch_ended,
      rule_gpu_sharing,
      rule_weights_memory,
      rule_tensorrt_plan,
      rule_redistribution,
  });
  // clang-format on
  return kRules;
}

HostVerdict judge(const Question& asked) {
  if (asked.facts == nullptr) {
    const ImageFacts facts(asked.image, asked.tables);
    Question question = asked;
    question.facts = &facts;
    return judge(question);
  }
  HostVerdict out;
  out.name = asked.host.source;
  out.launcher = to_string(asked.launcher);
  const host::Profile usable = without_held_gpus(asked.host);
  const Question question = question_for(asked, usable);
  const VisibleGpus visible = visible_gpus(question);
  for (const Rule rule : rules()) {
    if (asks_about_all_gpus(rule))
      rule(asked, out.checks);
    else if (!visible.alternatives.empty() && asks_about_visible_gpus(rule))
      std::ranges::move(checks_of(rule, question, visible), std::back_inserter(out.checks));
    else
      rule(question, out.checks);
  }
  out.verdict = worst(out.checks);
  return out;
}

}  // namespace flense::compat
