#include "lint/rules/rules.h"

#include <algorithm>
#include <iterator>

#include "base/parallel.h"

namespace flense::lint {

Finding& FindingSink::add(std::string_view rule, const ProjectFile& file, Span span,
                          std::string message) {
  Finding& out = out_.emplace_back();
  out.rule = rule;
  out.path = file.source.path();
  out.span = span;
  out.message = std::move(message);
  if (const knowledge::LintRuleRow* row = rules_.find(rule)) {
    out.severity = severity_of(row->severity);
    out.fix = row->fix;
    out.unsafe = row->unsafe;
  }
  return out;
}

namespace {

constexpr RuleFamily* kFamilies[] = {
    judge_syntax,
    judge_base_image,
    judge_written_images,
    judge_base_flavour,
    judge_base_stages,
    judge_versions,
    judge_torch_index,
    judge_versions_conda,
    judge_versions_sets,
    judge_versions_torch,
    judge_torch_twice,
    judge_build_arguments,
    judge_host,
    judge_architectures,
    judge_architectures_unset,
    judge_architectures_newer,
    judge_open_versions,
    judge_reproducibility,
    judge_contract,
    judge_late_variables,
    judge_driver_packages,
    judge_contract_run,
    judge_libraries,
    judge_compat_export,
    judge_cache,
    judge_cache_mounts,
    judge_size,
    judge_size_layers,
    judge_kept_archives,
    judge_copy_link,
    judge_secrets,
    judge_secret_commands,
    judge_secret_launches,
    judge_secret_files,
    judge_trust,
    judge_apt_key,
    judge_package_signatures,
    judge_repository_keys,
    judge_shared_memory,
    judge_gpu_access,
    judge_old_gpu_forms,
    judge_gpu_requests,
    judge_apptainer_gpu,
    judge_image_vendor,
    judge_workflow_jobs,
    judge_compose_gpu,
    judge_compose_targets,
    judge_kubernetes_gpu,
    judge_kubernetes_old_forms,
    judge_memory_units,
    judge_kubernetes_probes,
    judge_gpu_sharing,
    judge_io,
    judge_model_cache,
    judge_sandboxes,
    judge_base_life,
    judge_host_setup,
    judge_conda,
    judge_conda_answers,
    judge_lost_steps,
    judge_weights,
    judge_extensions,
    judge_distribution_packages,
    judge_gone_packages,
    judge_gone_extras,
    judge_versions_system,
    judge_package_indexes,
    judge_gone_wheels,
    judge_python_environment,
    judge_python_program,
    judge_requirement_syntax,
    judge_held_packages,
    judge_build_isolation,
    judge_build_options,
    judge_batch_scripts,
    judge_broken_steps,
    judge_search_paths,
    judge_gpu_variables,
};

}  // namespace

void judge_all(const Project& project, const knowledge::LintRules& rules,
               const std::stop_token& stop, std::vector<Finding>& out) {
  const std::vector<FileView> views = views_of(project);
  std::vector<std::vector<Finding>> found(std::size(kFamilies));
  parallel_for(found.size(), [&](std::size_t at) {
    if (stop.stop_requested()) return;
    FindingSink sink(rules, found[at]);
    kFamilies[at](project, views, sink);
  });
  // Apptainer's definitions look like Dockerfiles to the families: the rows say which rules hold.
  const auto is_foreign = [&](const Finding& finding) {
    const ProjectFile* file = project.find(finding.path);
    const knowledge::LintRuleRow* row = rules.find(finding.rule);
    if (file == nullptr || file->kind != FileKind::kApptainer || row == nullptr) return false;
    // What stands in for {{ NAME }} is nobody's text.
    return std::ranges::find(row->on, "apptainer") == row->on.end() ||
           (file->source.slice(finding.span).contains("{{") &&
            (finding.message.contains("${") || finding.fix.contains("${")));
  };
  for (std::vector<Finding>& family : found)
    std::ranges::remove_copy_if(std::make_move_iterator(family.begin()),
                                std::make_move_iterator(family.end()), std::back_inserter(out),
                                is_foreign);
}

}  // namespace flense::lint
