// The rules, one file per family. A family looks at the whole project and reports through the sink,
// which knows what data/lint_*.json says about each rule. A rule is a row there, a part of a
// family's function and its examples in tests/lint/rules.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/lint_rules.h"
#include "lint/facts/stage_view.h"
#include "lint/project/project.h"
#include "lint/source/finding.h"

namespace flense::lint {

class FindingSink {
 public:
  FindingSink(const knowledge::LintRules& rules, std::vector<Finding>& out)
      : rules_(rules), out_(out) {}

  /// With the severity of its row. The caller completes it: evidence, fix, edits.
  Finding& add(std::string_view rule, const ProjectFile& file, Span span, std::string message);

 private:
  const knowledge::LintRules& rules_;
  std::vector<Finding>& out_;
};

/// `views` are the stages of the project's Dockerfiles, read once for all.
using RuleFamily = void(const Project& project, const std::vector<FileView>& views,
                        FindingSink& sink);
RuleFamily judge_syntax, judge_base_image, judge_base_flavour, judge_base_stages, judge_versions,
    judge_versions_conda, judge_versions_sets, judge_versions_torch, judge_torch_twice,
    judge_build_arguments, judge_host, judge_architectures, judge_reproducibility,
    judge_open_versions, judge_contract, judge_driver_packages, judge_contract_run, judge_libraries,
    judge_compat_export, judge_cache, judge_cache_mounts, judge_size, judge_size_layers,
    judge_kept_archives, judge_copy_link, judge_secrets, judge_secret_commands,
    judge_secret_launches, judge_trust, judge_package_signatures, judge_repository_keys,
    judge_shared_memory, judge_gpu_access, judge_gpu_requests, judge_apptainer_gpu,
    judge_image_vendor, judge_workflow_jobs, judge_compose_gpu, judge_compose_targets,
    judge_kubernetes_gpu, judge_kubernetes_probes, judge_gpu_sharing, judge_io, judge_base_life,
    judge_host_setup, judge_conda, judge_weights, judge_extensions, judge_distribution_packages,
    judge_gone_packages, judge_versions_system, judge_package_indexes, judge_python_environment,
    judge_python_program, judge_requirement_syntax, judge_torch_index, judge_held_packages,
    judge_build_isolation, judge_build_options, judge_batch_scripts, judge_architectures_unset,
    judge_written_images, judge_model_cache, judge_sandboxes, judge_secret_files, judge_apt_key,
    judge_old_gpu_forms, judge_kubernetes_old_forms, judge_gone_extras, judge_architectures_newer,
    judge_late_variables, judge_broken_steps, judge_search_paths, judge_conda_answers,
    judge_lost_steps, judge_gone_wheels, judge_memory_units, judge_gpu_variables;

/// What all families find, each on its own, in their order; once `stop` is requested no further one
/// begins.
void judge_all(const Project& project, const knowledge::LintRules& rules,
               const std::stop_token& stop, std::vector<Finding>& out);

}  // namespace flense::lint
