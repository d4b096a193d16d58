#include "compat/judge.h"

#include <array>

#include "compat/facts/image_facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

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
  for (const Rule rule : rules()) rule(asked, out.checks);
  out.verdict = worst(out.checks);
  return out;
}

}  // namespace flense::compat
