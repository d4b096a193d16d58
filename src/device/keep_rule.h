// The keep rule over values: which entries stay, and why. docs/device-code-rules.md.
#pragma once

#include <vector>

#include "device/prune.h"
#include "device/region_standing.h"

namespace flense::device {

struct RuleOptions {
  Targets targets = {};
  bool drop_ptx = false;  ///< where every target has a cubin that surely runs
  bool best_fit = false;
};
RuleOptions rule_options(const PruneOptions& options);

/// One decision per entry, in the order of sections, regions and entries.
std::vector<EntryDecision> decide(const FileCode& code, const Standings& standings,
                                  const RuleOptions& options);

}  // namespace flense::device
