// The verdicts of two images for the same hosts, side by side.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compat/facts/check.h"

namespace flense::compat {

struct CheckChange {
  std::string id, before, after;  ///< verdicts in words; empty where the question did not arise
  std::string message;            ///< of the image after, else of the one before
};

struct VerdictChange {
  std::string host, launcher;
  Verdict before = Verdict::kOk, after = Verdict::kOk;
  std::vector<CheckChange> checks;  ///< those whose verdict differs, in the order of decision
};

/// Hosts in the order of `before`; both come from judging the same hosts in the same order.
std::vector<VerdictChange> compare_verdicts(std::span<const HostVerdict> before,
                                            std::span<const HostVerdict> after);

}  // namespace flense::compat
