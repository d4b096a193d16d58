// Steps that only change their own shell, which ends with them.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// A script that sets variables and does nothing else, by its name.
bool sets_variables_alone(std::string_view path) {
  return is_one_of(file_name(path), {"activate", "setvars.sh", "setup.bash", ".bashrc", ".profile",
                                     ".bash_profile", "bash.bashrc", "profile", "conda.sh",
                                     "mamba.sh", "nvm.sh", "thisroot.sh", "vars.sh"}) ||
         path.ends_with("cargo/env");
}

/// `conda activate NAME`, with NAME.
bool activates(const StepCommand& command) {
  return is_one_of(command.program, {"conda", "mamba", "micromamba"}) &&
         !command.arguments.empty() && command.arguments.front().text == "activate";
}

/// It changes nothing but the shell that runs it.
bool ends_with_shell(const StepCommand& command) {
  if (!command.shell->redirections.empty()) return false;
  if (is_one_of(command.program, {"source", "."}))
    return command.arguments.size() == 1 && sets_variables_alone(command.arguments[0].text);
  return activates(command) ||
         is_one_of(command.program,
                   {"cd", "pushd", "export", "alias", "unset", "set", "umask", "ulimit", "shopt"});
}

/// NVIDIA's variables are another rule's.
bool exports_for_toolkit(const StepCommand& command) {
  return command.program == "export" &&
         std::ranges::any_of(command.arguments, [](const Argument& word) {
           return starts_with_any(word.text,
                                  {"NVIDIA_VISIBLE_DEVICES=", "NVIDIA_DRIVER_CAPABILITIES="});
         });
}

/// The command that the step is there for: the last that is told of by a word of its own.
const StepCommand& purpose_of(const std::vector<StepCommand>& commands) {
  for (auto one = commands.rbegin(); one != commands.rend(); ++one)
    if (is_one_of(one->program, {"cd", "pushd", "export", "source", "."}) || activates(*one))
      return *one;
  return commands.back();
}

struct Lost {
  std::string what, fix;
};

Lost lost_by(const StepCommand& command) {
  const std::string last = command.arguments.empty() ? "" : command.arguments.back().text;
  if (is_one_of(command.program, {"cd", "pushd"}))
    return {fmt::format("{}{}{} holds", command.program, last.empty() ? "" : " ", last),
            fmt::format("write WORKDIR {}", last.empty() ? "with the directory" : last)};
  if (command.program == "export") {
    const std::string name = last.substr(0, last.find('='));
    return {fmt::format("the export of {} holds", name),
            fmt::format("write ENV {}=…: later steps and the image have it then", name)};
  }
  if (activates(command))
    return {"the environment is active",
            "put its bin folder in front of PATH by ENV, or activate it in the step that needs it"};
  if (is_one_of(command.program, {"source", "."}))
    return {fmt::format("what {} sets holds", last),
            last.ends_with("/bin/activate")
                ? fmt::format("write ENV PATH=\"{}:$PATH\"", directory_of(last))
                : "source it in the step that needs it, or write what it sets by ENV"};
  return {fmt::format("{} holds", command.program), "write it into the step that needs it"};
}

void lost_step(const FileView& view, const Instruction& run, FindingSink& sink) {
  const std::vector<StepCommand>& commands = commands_of(run);
  // A command without a program assigns; of one that is not known nothing is said.
  const bool alone = !commands.empty() && std::ranges::all_of(commands, ends_with_shell) &&
                     std::ranges::all_of(run.commands, [&](const ShellCommand& one) {
                       return one.words.empty()
                                  ? one.redirections.empty()
                                  : std::ranges::any_of(commands, [&](const StepCommand& known) {
                                      return known.shell == &one;
                                    });
                     });
  if (!alone || std::ranges::any_of(commands, exports_for_toolkit)) return;
  const StepCommand& command = purpose_of(commands);
  Lost lost = lost_by(command);
  Finding& found =
      sink.add("step-without-effect", *view.file, command.shell->span,
               fmt::format("{} until this step ends and no longer: each RUN has a shell of its own",
                           lost.what));
  found.evidence = {"Dockerfile reference, RUN: each step begins in WORKDIR, with ENV"};
  found.fix = std::move(lost.fix);
}

}  // namespace

void judge_lost_steps(const Project& /*project*/, const std::vector<FileView>& views,
                      FindingSink& sink) {
  for (const FileView& view : views) {
    if (view.is_definition()) continue;
    for (const StageView& stage : view.stages) {
      const bool jetson = stage.stage->base_resolved.contains("l4t");
      if (!stage.reachable || (!jetson && !is_gpu_file(view))) continue;
      for (const Instruction& run : stage.stage->instructions)
        if (run.keyword == Keyword::kRun && !run.exec_form) lost_step(view, run, sink);
    }
  }
}

}  // namespace flense::lint
