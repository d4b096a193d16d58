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

}  // namespace flense::compat
