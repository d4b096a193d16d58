// Stages that Compose services build and their Dockerfiles do not have.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/own_images.h"
#include "lint/facts/purpose.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using text::YamlNode;

/// Compose may read more than this file, or from another directory: another one lies beside or
/// above it, its name says that it is one of several, or another file includes or extends.
bool is_one_of_several(const Project& project, const ProjectFile& file) {
  if (!is_one_of(file_name(file.source.path()),
                 {"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}))
    return true;
  const std::string directory = directory_of(file.source.path());
  return std::ranges::any_of(project.files, [&](const auto& other) {
    if (other->kind != FileKind::kCompose)
      return other->source.text().contains("--project-directory");
    const std::string above = directory_of(other->source.path());
    return other.get() != &file &&
           (above == "." || above == directory || directory.starts_with(above + "/") ||
            other->source.text().contains("include:") || other->source.text().contains("extends:"));
  });
}

void missing_stage(const Project& project, const FileView& built, const ProjectFile& file,
                   const Workload& service, FindingSink& sink) {
  const YamlNode& build = (*service.node)["build"];
  const YamlNode& target = build["target"];
  const Dockerfile& dockerfile = *built.dockerfile;
  if (!target.is_scalar() || target.text.empty() || target.text.contains('$') ||
      build.find("dockerfile_inline") != nullptr || build["dockerfile"].text.contains('$') ||
      build["context"].text.contains('$') || service.node->find("extends") != nullptr ||
      !dockerfile.template_language.empty() || dockerfile.fragment ||
      !dockerfile.problems.empty() || dockerfile.find_stage(target.text))
    return;
  std::string names;
  for (const Stage& stage : dockerfile.stages)
    if (!stage.name.empty()) names += (names.empty() ? "" : ", ") + stage.name;
  Finding& found =
      sink.add("compose-target-missing", file, word_of(target).span,
               fmt::format("{} builds the stage {}, which {} does not have: the build ends with "
                           "\"target stage could not be found\"",
                           title(service), target.text, built.file->source.path()));
  found.evidence = {names.empty() ? std::string("its stages have no names") : "it has " + names};
  // A file that is read after another one builds from that one's directory.
  found.pedantic = is_one_of_several(project, file);
  found.fix = names.empty() ? "delete target, or name the stage with AS"
                            : fmt::format("write one of {}, or delete target", names);
}

/// Of a file without GPUs a linter of Compose may speak.
bool is_for_gpus(const Project& project, const std::vector<FileView>& views,
                 const ProjectFile& file) {
  return std::ranges::any_of(file.workloads, [&](const Workload& one) {
    const FileView* built = built_file(views, project, one);
    return !one.gpus.empty() || one.runtime || known_image(one, *project.knowledge) != nullptr ||
           (built != nullptr && is_gpu_file(*built));
  });
}

}  // namespace

void judge_compose_targets(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kCompose || !is_for_gpus(project, views, *file)) continue;
    for (const Workload& service : file->workloads)
      if (service.node != nullptr)
        if (const FileView* built = built_file(views, project, service))
          missing_stage(project, *built, *file, service, sink);
  }
}

}  // namespace flense::lint
