// Launch files of every kind, and the rules that judge them. The first line of the input is the
// file's name. Places lie in the file, and every finding says what to do.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/knowledge.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"

namespace {

using namespace flense;
using namespace flense::lint;

void expect(bool condition) {
  if (!condition) std::abort();
}

const knowledge::Knowledge& known() {
  static const auto kKnown = knowledge::Knowledge::load();
  expect(kKnown.has_value());
  return *kKnown;
}

const knowledge::LintRules& rules() {
  static const auto kRules = knowledge::LintRules::load();
  expect(kRules.has_value());
  return *kRules;
}

void inside(const Span& span, std::size_t size) {
  expect(span.begin <= span.end && span.end <= size);
}

void workload(const Workload& one, std::size_t size) {
  inside(one.span, size);
  inside(one.image.span, size);
  for (const auto* words : {&one.command, &one.arguments, &one.devices, &one.groups})
    for (const Word& word : *words) inside(word.span, size);
  for (const Variable& variable : one.variables) inside(variable.span, size);
  for (const WorkloadMount& mount : one.mounts) inside(mount.span, size);
  for (const GpuAsk& ask : one.gpus) {
    inside(ask.span, size);
    expect(!ask.vendor.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view whole(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(whole.find('\n'), whole.size());
  const std::string path(whole.substr(0, line));
  const std::string text(whole.substr(std::min(line + 1, whole.size())));
  if (path.empty() || path.find('\0') != path.npos) return 0;
  Project project;
  project.knowledge = &known();
  auto one_file = std::make_unique<ProjectFile>();
  one_file->kind = kind_of(path, text);
  one_file->source = SourceText(path, text);
  static_cast<FileContent&>(*one_file) = read_content(one_file->kind, one_file->source);
  project.files.push_back(std::move(one_file));
  for (const auto& file : project.files) {
    const std::size_t bytes = file->source.text().size();
    for (const ParseProblem& problem : file->problems) expect(!problem.message.empty());
    for (const Workload& one : file->workloads) workload(one, bytes);
    for (const BuildTarget& target : file->targets) {
      inside(target.span, bytes);
      inside(target.context.span, bytes);
      for (const Word& tag : target.tags) inside(tag.span, bytes);
    }
    for (const NamedImage& one : file->names.images) inside(one.text.span, bytes);
    for (const Word& one : file->names.sandboxes) inside(one.span, bytes);
    for (const ShellCommand& one : file->names.redirected_installs) inside(one.span, bytes);
    for (const BuildTarget& build : file->names.builds) {
      inside(build.context.span, bytes);
      inside(build.dockerfile.span, bytes);
      for (const auto& [name, value] : build.args) inside(value.span, bytes);
    }
    for (const std::vector<ShellCommand>& commands : scripts_of(*file))
      for (const ShellCommand& command : commands) {
        inside(command.span, bytes);
        for (const ShellWord& word : command.words) inside(word.span, bytes);
      }
  }
  for (auto& one : embedded_in(*project.files.front())) {
    inside(one->embedded, text.size());
    expect(one->source.text().size() == text.size());
    for (const Workload& inner : one->workloads) workload(inner, text.size());
    (one->dockerfile ? project.embedded : project.files).push_back(std::move(one));
  }
  std::vector<Finding> findings;
  FindingSink sink(rules(), findings);
  for (RuleFamily* const family :
       {judge_shared_memory,   judge_gpu_access,           judge_compose_gpu,
        judge_kubernetes_gpu,  judge_gpu_sharing,          judge_io,
        judge_reproducibility, judge_compat_export,        judge_model_cache,
        judge_sandboxes,       judge_written_images,       judge_host_setup,
        judge_old_gpu_forms,   judge_kubernetes_old_forms, judge_secret_launches,
        judge_workflow_jobs,   judge_batch_scripts,        judge_gpu_requests,
        judge_gpu_variables,   judge_memory_units,         judge_broken_steps})
    family(project, {}, sink);
  for (const Finding& finding : findings) {
    expect(!finding.message.empty() && !finding.fix.empty());
    expect(finding.severity == Severity::kError || finding.severity == Severity::kWarning ||
           finding.severity == Severity::kInfo);
    for (const Edit& edit : finding.edits) inside(edit.span, text.size());
  }
  return 0;
}
