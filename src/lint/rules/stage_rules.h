// Rules that look at the stages of Dockerfiles share one reading of them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lint/facts/stage_view.h"
#include "lint/rules/rules.h"

namespace flense::lint {

struct StageRules {
  std::span<const std::string_view> rules;
  void (*run)(const Project& project, const std::vector<FileView>& views, FindingSink& sink);
};

StageRules base_image_rules();
StageRules base_stages_rules();
StageRules versions_rules();
StageRules versions_conda_rules();
StageRules host_rules();
StageRules architectures_rules();
StageRules reproducibility_rules();
StageRules contract_rules();
StageRules contract_run_rules();
StageRules cache_rules();
StageRules size_rules();
StageRules size_layers_rules();
StageRules build_rules();

}  // namespace flense::lint
