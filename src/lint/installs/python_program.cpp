// An image that starts `python`, where the distribution has python3 alone.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/purpose.h"
#include "lint/facts/system_python.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The program that the image starts, where it is `python` alone; null: another, or none.
const Instruction* starts_python(const StageSteps& steps, Span& at) {
  const Instruction *entry = nullptr, *command = nullptr;
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword == Keyword::kEntrypoint) {
      entry = step.instruction;
      command = nullptr;
    }
    if (step.instruction->keyword == Keyword::kCmd) command = step.instruction;
  }
  const Instruction* start = entry != nullptr ? entry : command;
  if (start == nullptr) return nullptr;
  if (start->exec_form) {
    if (start->words.empty() || start->words.front().text != "python") return nullptr;
    at = start->words.front().span;
    return start;
  }
  if (start->commands.size() != 1) return nullptr;
  const std::vector<ShellWord>& words = start->commands.front().words;
  const std::size_t first = !words.empty() && words.front().text == "exec" ? 1 : 0;
  if (words.size() <= first || words[first].text != "python") return nullptr;
  at = words[first].span;
  return start;
}

/// Directories where programs lie, and those that hold them.
bool holds_programs(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return is_one_of(path, {"/", "/usr", "/usr/local"}) || file_name(path) == "bin";
}

/// Programs of which is known that they make no other one, but for what their words say.
bool makes_no_program(const StepCommand& command) {
  constexpr auto kKnown = std::to_array<std::string_view>({"apt-get",
                                                           "apt",
                                                           "apt-mark",
                                                           "apt-key",
                                                           "apt-cache",
                                                           "dpkg-reconfigure",
                                                           "rm",
                                                           "mkdir",
                                                           "rmdir",
                                                           "chmod",
                                                           "chown",
                                                           "useradd",
                                                           "adduser",
                                                           "usermod",
                                                           "groupadd",
                                                           "echo",
                                                           "printf",
                                                           "cd",
                                                           "export",
                                                           "set",
                                                           "true",
                                                           ":",
                                                           "pip",
                                                           "pip3",
                                                           "git",
                                                           "curl",
                                                           "wget",
                                                           "ls",
                                                           "cat",
                                                           "test",
                                                           "[",
                                                           "sed",
                                                           "touch",
                                                           "which",
                                                           "sleep",
                                                           "locale-gen",
                                                           "unset",
                                                           "sync",
                                                           "update-locale",
                                                           "ldconfig",
                                                           "huggingface-cli",
                                                           "hf",
                                                           "ln",
                                                           "cp",
                                                           "mv",
                                                           "python3",
                                                           "nvidia-smi",
                                                           "ffmpeg",
                                                           "gpg",
                                                           "tee",
                                                           "date",
                                                           "grep",
                                                           "find",
                                                           "tar",
                                                           "unzip",
                                                           "groupmod",
                                                           "sort",
                                                           "head"});
  if (!is_one_of(command.program, kKnown)) return false;
  const bool system = is_one_of(command.program, {"apt-get", "apt"});
  const bool places = is_one_of(command.program, {"ln", "cp", "mv"});
  // tar -C /usr
  if (is_one_of(command.program, {"tar", "unzip"}))
    return std::ranges::none_of(command.arguments,
                                [](const Argument& word) { return holds_programs(word.text); });
  if (command.program == "python3") return !command.has("venv") && !command.has("virtualenv");
  return std::ranges::none_of(command.arguments, [&](const Argument& word) {
    const std::string& text = word.text;
    if (places)
      return holds(text, "python") || holds(text, "$") || holds(text, "*") ||
             (&word == &command.arguments.back() && holds_programs(text));
    if (system)
      return holds(text, "$") || text.ends_with(".deb") || text == "python" ||
             starts_with_any(text, {"python-", "python2"});
    return file_name(text) == "python";
  });
}

/// A step may make a program of this name: a link, an alternative, a program of unknown effect.
bool may_make_python(const Step& step) {
  const Instruction& instruction = *step.instruction;
  if (may_bring_pip(instruction)) return true;
  if (instruction.copies())
    return std::ranges::any_of(instruction.words,
                               [](const Word& word) { return file_name(word.text) == "python"; }) ||
           (!instruction.words.empty() && may_copy_directory(instruction) &&
            (std::ranges::any_of(instruction.words,
                                 [](const Word& word) { return holds_programs(word.text); }) ||
             (!instruction.words.back().text.starts_with('/') && holds_programs(step.directory))));
  if (instruction.keyword == Keyword::kOnbuild) return true;
  if (instruction.keyword != Keyword::kRun) return false;
  return instruction.commands.empty() ||
         std::ranges::any_of(instruction.commands,
                             [](const ShellCommand& command) {
                               return std::ranges::any_of(
                                   command.redirections, [](const ShellRedirection& one) {
                                     return file_name(one.target.text) == "python";
                                   });
                             }) ||
         std::ranges::any_of(commands_of(instruction),
                             [](const StepCommand& command) { return !makes_no_program(command); });
}

/// A service that builds the image starts another program in it.
bool is_started_otherwise(const FileView& view) {
  const std::string path = normal_path(view.file->source.path());
  return std::ranges::any_of(view.project->files, [&](const auto& file) {
    return std::ranges::any_of(file->workloads, [&](const Workload& one) {
      if (!one.build_context || (one.command.empty() && one.arguments.empty())) return false;
      const std::string context =
          path_below(directory_of(file->source.path()), one.build_context->text);
      return normal_path(
                 path_below(context, one.dockerfile ? one.dockerfile->text : "Dockerfile")) == path;
    });
  });
}

/// CMD ["python", …] on a distribution that calls it python3.
void python_alone(const FileView& view, FindingSink& sink) {
  const StageView& last = view.stages.back();
  if (!is_plain_system(last.image) ||
      !is_one_of(last.image.distribution.value,
                 {"ubuntu20.04", "ubuntu22.04", "ubuntu24.04", "debian11", "debian12", "debian13"}))
    return;
  const StageSteps steps(view, last.index);
  Span at;
  if (starts_python(steps, at) == nullptr) return;
  bool has_python = false;
  for (const Install* install : view.installs_in(last.index))
    has_python = has_python || (install->command.manager == PackageManager::kApt &&
                                std::ranges::any_of(install->command.packages, [](const auto& one) {
                                  return one.name.starts_with("python3");
                                }));
  if (!has_python || std::ranges::any_of(steps.all(), may_make_python)) return;
  Finding& found =
      sink.add("python-not-in-image", *view.file, at,
               fmt::format("{} has python3 and no python: the container ends with \"{}\"",
                           last.image.distribution.value,
                           view.is_definition() ? "python: not found"
                                                : "executable file not found in $PATH"));
  found.evidence = {last.image.distribution.evidence,
                    "Debian's package python3 brings python3 alone"};
  found.pedantic = is_started_otherwise(view);
}

}  // namespace

void judge_python_program(const Project& /*project*/, const std::vector<FileView>& views,
                          FindingSink& sink) {
  for (const FileView& view : views)
    if (view.dockerfile->template_language.empty() && is_gpu_file(view)) python_alone(view, sink);
}

}  // namespace flense::lint
