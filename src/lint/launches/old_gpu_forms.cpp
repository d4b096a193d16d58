// GPUs in the forms of before docker run --gpus: --runtime=nvidia, the command nvidia-docker, and
// the label of its first release.
#include <algorithm>
#include <array>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/stage_view.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/shell/command_words.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kRule = "compose-runtime-nvidia";
constexpr std::string_view kWrapper = "nvidia-docker";
constexpr std::string_view kSuperseded =
    "NVIDIA/nvidia-docker, README: superseded by the Container Toolkit";

/// Jetsons with JetPack before 6 have no other form.
bool speaks_of_tegra(std::string_view text) {
  const std::string low = to_lower(text);
  return std::ranges::any_of(
      std::to_array<std::string_view>({"jetson", "l4t", "tegra", "jetpack", "dustynv"}),
      [&](std::string_view word) { return low.contains(word); });
}

/// Whether the project has an image or a service for Jetsons: its scripts may be for them too.
bool has_tegra(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    return (file->kind == FileKind::kDockerfile || file->kind == FileKind::kCompose) &&
           (speaks_of_tegra(file->source.text()) || speaks_of_tegra(file->source.project_path()));
  });
}

/// Whether a file starts containers on Jetsons, or may. `tegra`: has_tegra(), once it is asked.
bool is_for_tegra(const Project& project, const ProjectFile& file, std::optional<bool>& tegra) {
  if (speaks_of_tegra(file.source.text()) || speaks_of_tegra(file.source.project_path()))
    return true;
  if (holds(file.source.project_path(), "x86") || holds(file.source.project_path(), "amd64"))
    return false;
  if (!tegra) tegra = has_tegra(project);
  return *tegra;
}

void wrapped_run(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  Finding& found =
      sink.add(kRule, file, workload.runtime->span,
               "nvidia-docker is a wrapper of before docker run --gpus, which the NVIDIA Container "
               "Toolkit no longer brings");
  found.evidence.emplace_back(kSuperseded);
  found.fix = workload.gpus.front().all
                  ? "write docker run --gpus all"
                  : "write docker run --gpus device=… with what NV_GPU has; a list in quotes of "
                    "its own: --gpus '\"device=0,1\"'";
}

/// --gpus for what NVIDIA_VISIBLE_DEVICES has; empty: it takes no GPU.
std::string gpus_in_place(const Variable* devices) {
  if (devices == nullptr) return "write --gpus all in its place";
  if (!devices->value || devices->value->contains('$'))
    return "write --gpus device=… with what NVIDIA_VISIBLE_DEVICES has, in place of both; a list "
           "in quotes of its own: --gpus '\"device=0,1\"'";
  const std::string& value = *devices->value;
  if (is_one_of(value, {"", "void", "none"})) return {};
  return fmt::format("write --gpus {} in place of it and of NVIDIA_VISIBLE_DEVICES",
                     value == "all"        ? value
                     : value.contains(',') ? fmt::format("'\"device={}\"'", value)
                                           : fmt::format("device={}", value));
}

/// docker run --runtime=nvidia, of before Docker 19.03.
void runtime_option(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  if (workload.runtime->text != "nvidia" || file.source.slice(workload.span).starts_with("nerdctl"))
    return;
  const Variable* devices = variable(workload, "NVIDIA_VISIBLE_DEVICES");
  const bool asks = !workload.gpus.empty();
  const bool wrapped = file.source.slice(workload.span).starts_with(kWrapper);
  const std::string instead =
      wrapped ? "write docker run --gpus all: the NVIDIA Container Toolkit brings no nvidia-docker"
      : asks  ? "delete it: what stands beside it asks for the GPUs"
              : gpus_in_place(devices);
  if (instead.empty()) return;
  Finding& found = sink.add(
      kRule, file, workload.runtime->span,
      asks ? "--runtime=nvidia beside another request for GPUs gives nothing, and the container "
             "does not start where the daemon's configuration has no such runtime"
           : fmt::format(
                 "--runtime=nvidia is the form of before docker run --gpus: the container does not "
                 "start where the daemon's configuration has no such runtime{}",
                 devices != nullptr
                     ? ""
                     : ", and the image's NVIDIA_VISIBLE_DEVICES decides whether it gets a GPU"));
  found.evidence.emplace_back(
      "NVIDIA Container Toolkit documentation: --gpus and CDI need no registered runtime");
  found.fix = instead;
}

/// nvidia-docker with a verb that starts no container.
void wrapped_verb(const ProjectFile& file, const StepCommand& command, FindingSink& sink) {
  if (command.program != kWrapper) return;
  const auto verb = std::ranges::find_if(
      command.arguments, [](const Argument& word) { return !word.text.starts_with('-'); });
  // Whoever asks for its version wants to know whether it is there.
  if (verb == command.arguments.end() ||
      is_one_of(verb->text, {"run", "create", "container", "version", "info", "help", "volume"}))
    return;
  const bool builds = is_one_of(verb->text, {"build", "buildx"});
  Finding& found = sink.add(
      kRule, file, command.program_span,
      builds ? "nvidia-docker is a wrapper that the NVIDIA Container Toolkit no longer brings, and "
               "a build got no GPU by it"
             : "nvidia-docker is a wrapper that the NVIDIA Container Toolkit no longer brings");
  found.evidence.emplace_back(kSuperseded);
  found.fix = fmt::format("write docker {}", verb->text);
}

/// DOCKER=nvidia-docker, in a script that does not look whether it is there.
void wrapped_by_name(const ProjectFile& file, const ShellAssignment& set, FindingSink& sink) {
  if (file_name(set.value.text) != kWrapper) return;
  const std::string_view text = file.source.text();
  for (const std::string_view look :
       {"which nvidia-docker", "command -v nvidia-docker", "hash nvidia-docker",
        "type nvidia-docker", "nvidia-docker version", "/nvidia-docker ]"})
    if (text.contains(look)) return;
  Finding& found =
      sink.add(kRule, file, set.value.span,
               "nvidia-docker is a wrapper that the NVIDIA Container Toolkit no longer brings");
  found.evidence.emplace_back(kSuperseded);
  found.fix = "write docker, and --gpus all behind run";
}

/// LABEL com.nvidia.volumes.needed, by which nvidia-docker 1 knew an image for GPUs.
void driver_label(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& step : stage.stage->instructions) {
      if (step.keyword != Keyword::kLabel) continue;
      const auto label =
          std::ranges::find(step.pairs, std::string_view("com.nvidia.volumes.needed"),
                            [](const KeyValue& pair) { return std::string_view(pair.key.text); });
      if (label == step.pairs.end()) continue;
      Finding& found = sink.add(kRule, *view.file, label->key.span,
                                "nothing reads the label com.nvidia.volumes.needed since "
                                "nvidia-docker 2 (2017): no driver comes by it");
      found.evidence.emplace_back(kSuperseded);
      const bool set = stage.image.vendor.value == "nvidia" ||
                       view.file->source.text().contains("NVIDIA_VISIBLE_DEVICES");
      found.fix = set ? "delete it"
                      : "delete it, and start the image with --gpus all, or write ENV "
                        "NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility";
    }
}

}  // namespace

void judge_old_gpu_forms(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views) driver_label(view, sink);
  std::optional<bool> tegra;  // asked once
  for (const auto& file : project.files) {
    for (const Workload& workload : file->workloads) {
      if (!workload.runtime) continue;
      if (file->source.slice(workload.runtime->span).ends_with(kWrapper))
        wrapped_run(*file, workload, sink);
      else if (workload.kind == WorkloadKind::kDocker && !is_for_tegra(project, *file, tegra))
        runtime_option(*file, workload, sink);
    }
    if (!file->source.text().contains(kWrapper)) continue;
    for (const auto& commands : scripts_of(*file)) {
      std::size_t budget = std::size_t{1} << 20;
      for (const ShellCommand& command : commands)
        for (const ShellAssignment& set : command.assignments) wrapped_by_name(*file, set, sink);
      for (const StepCommand& command : step_commands_of(commands, {}, budget))
        wrapped_verb(*file, command, sink);
    }
  }
}

}  // namespace flense::lint
