// Where each family of rules is defined.
#pragma once

#include "lint/rules/rules.h"

namespace flense::lint {

const RuleFamily& syntax_rules();
const RuleFamily& stages_rules();
const RuleFamily& workload_rules();
const RuleFamily& compose_gpu_rules();
const RuleFamily& kubernetes_gpu_rules();
const RuleFamily& io_rules();

}  // namespace flense::lint
