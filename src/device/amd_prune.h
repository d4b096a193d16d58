// The part of a plan that concerns AMD device code. For prune.cpp only; the rules:
// docs/device-code-rules.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device/prune.h"

namespace flense::device {

struct AmdPlan {
  std::vector<AmdDecision> decisions;
  std::vector<elf::SectionEdit> sections;
  std::optional<MappedFile> frames;  ///< bundles packed anew, which parts of `sections` point at
};

/// `movable` false: nothing is known of who reaches the bundles, and none may change. Errors are of
/// the environment alone (scratch space).
Result<AmdPlan> plan_amd(const elf::File& file, const AmdCode& code, const PruneOptions& options,
                         bool movable, PlanUse use);

/// What the bundles would give by bolder rules, by their names.
void add_amd_gains(const std::vector<AmdDecision>& decisions,
                   std::map<std::string, std::uint64_t>& gains);

}  // namespace flense::device
