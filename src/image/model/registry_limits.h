// How long a registry is waited for.
#pragma once

#include <chrono>

namespace flense::image {

struct RegistryLimits {
  std::chrono::seconds answer{60};
  /// A registry that stores a large layer is silent for a while: a transfer may stand still so.
  std::chrono::seconds stall() const { return 5 * answer; }
};

}  // namespace flense::image
