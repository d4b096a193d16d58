// Image x machine -> verdict. Pure: maps values to values. Rules live one group a file
// (rules_*.cpp) and run in the order of decision.
#pragma once

#include <span>
#include <vector>

#include "compat/check.h"
#include "compat/launcher.h"
#include "host/profile.h"
#include "inventory/needs.h"
#include "knowledge/knowledge.h"

namespace flense::compat {

struct Question {
  const inventory::Needs& image;
  const host::Profile& host;
  const knowledge::Knowledge& tables;
  Launcher launcher = Launcher::kDocker;
  bool redistribution = false;  ///< also the opt-in group of licence checks
};

/// Adds its checks; none where the question does not arise (an image without CUDA, a host without
/// GPUs of that vendor, …).
using Rule = void (*)(const Question& question, std::vector<Check>& checks);

/// All rules in the order of decision.
std::span<const Rule> rules();

HostVerdict judge(const Question& question);

}  // namespace flense::compat
