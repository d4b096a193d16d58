#include <array>

#include "lint/rules/families.h"

namespace flense::lint {

std::span<const RuleFamily> rule_families() {
  static const std::array kFamilies = {
      syntax_rules(),      stages_rules(),         workload_rules(),
      compose_gpu_rules(), kubernetes_gpu_rules(), io_rules(),
  };
  return kFamilies;
}

}  // namespace flense::lint
