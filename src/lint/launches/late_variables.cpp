// NVIDIA's variables that a script sets inside of the container: the toolkit has read them before.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// It starts containers, whose toolkit or enroot reads the variables of this shell.
bool starts_containers(const std::vector<ShellCommand>& commands) {
  return std::ranges::any_of(commands, [](const ShellCommand& command) {
    return is_one_of(program_of(command).name,
                     {"docker", "docker-compose", "podman", "nerdctl", "enroot", "srun", "sbatch",
                      "apptainer", "singularity", "kubectl", "nvidia-ctk", "dockerd", "ssh"});
  });
}

/// The programs get it by a variable that they read themselves: CUDA_VISIBLE_DEVICES.
bool hands_on(const std::vector<ShellCommand>& commands) {
  const auto reads = [](std::string_view text) {
    return text.contains("CUDA_VISIBLE_DEVICES") && text.contains("$") &&
           text.contains("NVIDIA_VISIBLE_DEVICES");
  };
  return std::ranges::any_of(commands, [&](const ShellCommand& command) {
    return std::ranges::any_of(command.assignments,
                               [&](const ShellAssignment& set) {
                                 return set.name == "CUDA_VISIBLE_DEVICES" &&
                                        uses_variable(set.value.text, "NVIDIA_VISIBLE_DEVICES");
                               }) ||
           std::ranges::any_of(command.words,
                               [&](const ShellWord& word) { return reads(word.text); });
  });
}

/// `export NVIDIA_…`, of whose value only the shell around it hears.
void judge_export(const ProjectFile& file, const ShellCommand& command, const std::string& where,
                  std::string_view consequence, FindingSink& sink) {
  if (program_of(command).name != "export") return;
  for (const ShellWord& word : command.words) {
    const std::string_view name = std::string_view(word.text).substr(0, word.text.find('='));
    if (name == word.text ||
        !is_one_of(name, {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}))
      continue;
    Finding& found =
        sink.add("visible-devices-unset", file, word.span, fmt::format("{} {}", name, consequence));
    found.cause = "late";
    found.evidence = {where,
                      "NVIDIA Container Toolkit documentation, Environment variables (OCI spec)"};
    found.fix = fmt::format("write ENV {} into the Dockerfile, or give it by docker run -e",
                            word.dynamic ? fmt::format("{}=…", name) : word.text);
  }
}

/// The commands of a script that runs in the container.
void judge_exports(const ProjectFile& file, Span script, const std::string& where,
                   FindingSink& sink) {
  const std::vector<ShellCommand> commands = split_shell(file.source.text(), script).commands;
  if (starts_containers(commands) || hands_on(commands)) return;
  for (const ShellCommand& command : commands)
    judge_export(file, command, where,
                 "is set inside of the container, where it changes nothing: the toolkit has read "
                 "it before the first process began",
                 sink);
}

/// The scripts that a COPY names, or that it lays over the whole of the image.
void judge_copied(const FileView& view, const Instruction& copy, const std::string& root,
                  FindingSink& sink) {
  if (copy.flag("from") != nullptr || copy.words.size() < 2) return;
  const bool over_all = copy.words.back().text == "/";
  for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
    std::string_view source = copy.words[at].text;
    while (source.starts_with('/')) source.remove_prefix(1);
    const std::string path = path_below(root, source);
    const std::string where =
        fmt::format("{} of {}", to_string(copy.keyword), view.file->source.path());
    const auto judge = [&](const ProjectFile& script) {
      if (script.kind == FileKind::kShell)
        judge_exports(script, {0, script.source.text().size()}, where, sink);
    };
    if (const ProjectFile* script = view.project->find(path)) judge(*script);
    if (!over_all || path == normal_path(root)) continue;
    for (const auto& file : view.project->files)
      if (normal_path(file->source.path()).starts_with(path + "/")) judge(*file);
  }
}

}  // namespace

void judge_late_variables(const Project& project, const std::vector<FileView>& views,
                          FindingSink& sink) {
  for (const FileView& view : views) {
    // A login over SSH has none of the container's variables but those that a script hands on.
    if (view.is_definition() || view.file->source.text().contains("ssh")) continue;
    const std::string root = project.context_directory(*view.file);
    for (const StageView& stage : view.stages) {
      if (!stage.final) continue;
      for (const Instruction& step : stage.stage->instructions) {
        if (step.copies()) judge_copied(view, step, root, sink);
        // `RUN cat <<EOF > /etc/cont-init.d/50-gpu`; without a command the shell runs the text.
        if (step.keyword != Keyword::kRun ||
            trim_space(view.text(step.arguments)).starts_with("<<"))
          continue;
        if (!starts_containers(step.commands))
          for (const ShellCommand& command : step.commands)
            judge_export(
                *view.file, command, "RUN",
                "is exported in a step of the build and ends with its shell: the image has "
                "not got it, and the toolkit does not see it",
                sink);
        for (const Heredoc& document : step.heredocs)
          if (view.text(document.body).starts_with("#!") &&
              view.text(document.body).contains("sh\n"))
            judge_exports(*view.file, document.body, "a script that this step writes", sink);
      }
    }
  }
}

}  // namespace flense::lint
