// The rules by group, in the order of decision; for judge.cpp and the tests.
#pragma once

#include "compat/facts/question.h"

namespace flense::compat {

// Each adds the checks with the id that it is named after.

// driver_there.cpp
void rule_driver_missing(const Question& question, std::vector<Check>& checks);
void rule_driver_mismatch(const Question& question, std::vector<Check>& checks);

// driver.cpp
void rule_driver_cuda(const Question& question, std::vector<Check>& checks);
void rule_driver_branch_ended(const Question& question, std::vector<Check>& checks);

// forward.cpp
void rule_forward_compat(const Question& question, std::vector<Check>& checks);

// code.cpp
void rule_device_code(const Question& question, std::vector<Check>& checks);
void rule_fatbin_zstd(const Question& question, std::vector<Check>& checks);

// architecture.cpp
void rule_arch_too_new(const Question& question, std::vector<Check>& checks);
void rule_arch_dropped(const Question& question, std::vector<Check>& checks);
void rule_module_kind(const Question& question, std::vector<Check>& checks);

// require.cpp
void rule_require(const Question& question, std::vector<Check>& checks);

// visibility.cpp
void rule_visible_devices(const Question& question, std::vector<Check>& checks);
void rule_device_access(const Question& question, std::vector<Check>& checks);
void rule_driver_capabilities(const Question& question, std::vector<Check>& checks);

// baked.cpp
void rule_driver_baked(const Question& question, std::vector<Check>& checks);
void rule_stub_in_path(const Question& question, std::vector<Check>& checks);

// system.cpp
void rule_platform(const Question& question, std::vector<Check>& checks);
void rule_libc(const Question& question, std::vector<Check>& checks);
void rule_cpu_level(const Question& question, std::vector<Check>& checks);
void rule_kernel_distance(const Question& question, std::vector<Check>& checks);

// vendor.cpp
void rule_vendor_mismatch(const Question& question, std::vector<Check>& checks);

// slim.cpp
void rule_slim_target(const Question& question, std::vector<Check>& checks);
void rule_slim_driver_floor(const Question& question, std::vector<Check>& checks);

// framework.cpp
void rule_framework_cpu_only(const Question& question, std::vector<Check>& checks);
void rule_framework_build(const Question& question, std::vector<Check>& checks);

// mixed.cpp
void rule_runtime_mixed(const Question& question, std::vector<Check>& checks);

// foreign.cpp
void rule_foreign_build(const Question& question, std::vector<Check>& checks);

// libraries.cpp
void rule_library_missing(const Question& question, std::vector<Check>& checks);

// compilers.cpp
void rule_run_time_compiler(const Question& question, std::vector<Check>& checks);

// too_new.cpp: libc and library-missing
void rule_too_new(const Question& question, std::vector<Check>& checks);

// amd.cpp
void rule_rocm_driver(const Question& question, std::vector<Check>& checks);
void rule_rocm_gpu(const Question& question, std::vector<Check>& checks);
void rule_amd_nodes(const Question& question, std::vector<Check>& checks);

// gfx.cpp
void rule_gfx_code(const Question& question, std::vector<Check>& checks);

// fabric.cpp
void rule_rdma_userspace(const Question& question, std::vector<Check>& checks);

// plans.cpp
void rule_tensorrt_plan(const Question& question, std::vector<Check>& checks);

// sharing.cpp
void rule_gpu_sharing(const Question& question, std::vector<Check>& checks);

// memory.cpp
void rule_weights_memory(const Question& question, std::vector<Check>& checks);

// redistribution.cpp: only when asked for. Ids "redistribution-…".
void rule_redistribution(const Question& question, std::vector<Check>& checks);

}  // namespace flense::compat
