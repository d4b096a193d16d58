// The rules by group, in the order of decision; for judge.cpp and the tests.
#pragma once

#include "compat/judge.h"

namespace flense::compat {

// rules_driver.cpp
void rule_driver_missing(const Question& question, std::vector<Check>& checks);
void rule_driver_mismatch(const Question& question, std::vector<Check>& checks);
void rule_driver_cuda(const Question& question, std::vector<Check>& checks);
void rule_driver_branch_ended(const Question& question, std::vector<Check>& checks);

// rules_forward.cpp
void rule_forward_compat(const Question& question, std::vector<Check>& checks);

// rules_code.cpp
void rule_device_code(const Question& question, std::vector<Check>& checks);
void rule_fatbin_zstd(const Question& question, std::vector<Check>& checks);

// rules_architecture.cpp
void rule_arch_too_new(const Question& question, std::vector<Check>& checks);
void rule_arch_dropped(const Question& question, std::vector<Check>& checks);
void rule_module_kind(const Question& question, std::vector<Check>& checks);

// rules_require.cpp
void rule_require(const Question& question, std::vector<Check>& checks);

// rules_visibility.cpp
void rule_visible_devices(const Question& question, std::vector<Check>& checks);
void rule_driver_capabilities(const Question& question, std::vector<Check>& checks);
void rule_driver_baked(const Question& question, std::vector<Check>& checks);
void rule_stub_in_path(const Question& question, std::vector<Check>& checks);

}  // namespace flense::compat
