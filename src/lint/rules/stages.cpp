// The family of all rules that look at stages: the files are read for them once.
#include "lint/rules/families.h"
#include "lint/rules/stage_rules.h"

namespace flense::lint {

namespace {

const std::vector<StageRules>& parts() {
  static const std::vector<StageRules> kParts = {
      base_image_rules(),      base_stages_rules(), versions_rules(),
      versions_conda_rules(),  host_rules(),        architectures_rules(),
      reproducibility_rules(), contract_rules(),    contract_run_rules(),
      cache_rules(),           size_rules(),        size_layers_rules(),
      build_rules(),
  };
  return kParts;
}

void judge_stages(const Project& project, FindingSink& sink) {
  const std::vector<FileView> views = views_of(project);
  for (const StageRules& part : parts()) part.run(project, views, sink);
}

}  // namespace

const RuleFamily& stages_rules() {
  static const std::vector<std::string_view> kIds = [] {
    std::vector<std::string_view> ids;
    for (const StageRules& part : parts())
      ids.insert(ids.end(), part.rules.begin(), part.rules.end());
    return ids;
  }();
  static const RuleFamily kFamily{"stages", kIds, judge_stages};
  return kFamily;
}

}  // namespace flense::lint
