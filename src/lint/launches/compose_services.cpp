// What a Compose service names and Compose does not find: a stage to build, a service to wait for.
#include <algorithm>
#include <map>

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

/// `others`: other files of Compose may change what this one says.
void missing_stage(const FileView& built, const ProjectFile& file, const Workload& service,
                   bool others, FindingSink& sink) {
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
  found.pedantic = others;
  found.fix = names.empty() ? "delete target, or name the stage with AS"
                            : fmt::format("write one of {}, or delete target", names);
}

/// The names of a sequence; nullopt where one is not known.
std::optional<std::vector<std::string>> names_of(const YamlNode& list) {
  std::vector<std::string> out;
  for (const YamlNode* item : list.items) {
    out.emplace_back(item->text_or());
    if (out.back().empty() || out.back().contains('$')) return std::nullopt;
  }
  return out;
}

struct Service {
  const Workload* workload = nullptr;
  std::optional<std::vector<std::string>> profiles;
};

/// A service that some profile switches on without the one that it waits for.
void disabled_dependency(const ProjectFile& file, const Service& one, const Service& other,
                         Span place, FindingSink& sink) {
  const Workload& service = *one.workload;
  const auto& own = one.profiles;
  const auto& needed = other.profiles;
  if (!own || !needed || needed->empty()) return;
  const auto alone = std::ranges::find_if(*own, [&](const std::string& profile) {
    return std::ranges::find(*needed, profile) == needed->end();
  });
  if (!own->empty() && alone == own->end()) return;
  Finding& found = sink.add(
      "compose-dependency-disabled", file, place,
      fmt::format("{} depends on {}, which only the profile{} {} switch{} on: {} ends with "
                  "\"depends on undefined service\"",
                  title(service), other.workload->name, needed->size() == 1 ? "" : "s",
                  fmt::join(*needed, ", "), needed->size() == 1 ? "es" : "",
                  own->empty() ? "docker compose up without it"
                               : fmt::format("docker compose --profile {} up", *alone)));
  found.evidence = {"Compose Specification, profiles: a reference enables no service",
                    "docker/compose#12900"};
  // COMPOSE_PROFILES of .env, or whoever starts them, may name it always.
  found.pedantic = true;
  found.fix = fmt::format(
      "write depends_on: {{{}: {{condition: service_started, required: false}}}}, or give {} the "
      "same profiles",
      other.workload->name, service.name);
}

constexpr std::size_t kMostServices = 500;

using Services = std::map<std::string_view, Service>;

void dependencies(const ProjectFile& file, const Services& services, const Service& one,
                  FindingSink& sink) {
  const YamlNode& node = *one.workload->node;
  // What it extends may have profiles.
  if (node.find("extends") != nullptr) return;
  const YamlNode& list = node["depends_on"];
  if (list.items.size() + list.members.size() > kMostServices) return;
  const auto judge = [&](std::string_view name, Span place) {
    const auto other = services.find(name);
    if (other != services.end()) disabled_dependency(file, one, other->second, place, sink);
  };
  for (const YamlNode* item : list.items)
    if (item->is_scalar()) judge(item->text, word_of(*item).span);
  for (const text::YamlMember& member : list.members)
    if (to_lower((*member.value)["required"].text_or()) != "false")
      judge(member.key, span_of(member.at));
}

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

void judge_compose_services(const Project& project, const std::vector<FileView>& views,
                            FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kCompose || file->workloads.size() > kMostServices ||
        !is_for_gpus(project, views, *file))
      continue;
    const bool others = is_one_of_several(project, *file);
    Services services;
    for (const Workload& service : file->workloads)
      if (service.node != nullptr)
        services.try_emplace(service.name, &service, names_of((*service.node)["profiles"]));
    for (const auto& [name, service] : services) {
      if (const FileView* built = built_file(views, project, *service.workload))
        missing_stage(*built, *file, *service.workload, others, sink);
      dependencies(*file, services, service, sink);
    }
  }
}

}  // namespace flense::lint
