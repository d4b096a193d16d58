#include "compat/judge.h"

#include <array>

#include "compat/rules.h"

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
      rule_framework_cpu_only,
      rule_runtime_mixed,
      rule_framework_build,
      rule_rocm_driver,
      rule_rocm_gpu,
      rule_gfx_code,
      rule_amd_nodes,
      rule_library_missing,
      rule_libc,
      rule_cpu_level,
      rule_kernel_distance,
      rule_run_time_compiler,
      rule_rdma_userspace,
      rule_weights_memory,
      rule_redistribution,
  });
  // clang-format on
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
