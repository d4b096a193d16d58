// Image x machine -> verdict. Pure: maps values to values. Rules are in compat/rules, one group a
// file, and run in the order of decision.
#pragma once

#include <span>

#include "compat/facts/question.h"

namespace flense::compat {

/// All rules in the order of decision.
std::span<const Rule> rules();

HostVerdict judge(const Question& question);

}  // namespace flense::compat
