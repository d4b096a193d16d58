// conda asks before it changes an environment: in a build or a job nobody answers.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// -y, also among other letters ("-qy"); and what is never asked about: a list of exact packages, a
/// trial, output for programs.
bool needs_no_answer(std::string_view word) {
  if (word.starts_with("--"))
    return is_one_of(word.substr(0, word.find('=')),
                     {"--yes", "--always-yes", "--json", "--dry-run", "--help", "--version",
                      "--clone", "--file"});
  if (!word.starts_with('-'))
    return word.starts_with('$') || word.ends_with(".conda") || word.ends_with(".tar.bz2");
  for (const char letter : word.substr(1)) {
    if (is_one_of(std::string_view(&letter, 1), {"y", "d", "h", "V", "f"})) return true;
    if (is_one_of(std::string_view(&letter, 1), {"n", "p", "c", "r"})) return false;
  }
  return false;
}

/// The word that makes conda ask; null: it asks nothing.
const Argument* asking_verb(const StepCommand& command) {
  if (!is_one_of(command.program, {"conda", "mamba", "micromamba"}) ||
      std::ranges::any_of(command.arguments,
                          [](const Argument& word) { return needs_no_answer(word.text); }))
    return nullptr;
  const auto verb = std::ranges::find_if(
      command.arguments, [](const Argument& word) { return !word.text.starts_with('-'); });
  if (verb == command.arguments.end() || verb + 1 == command.arguments.end() ||
      !is_one_of(verb->text, {"install", "create", "update", "upgrade", "remove", "uninstall"}))
    return nullptr;
  return &*verb;
}

/// conda's settings, its variable, or `yes |` in front of a script may answer.
bool may_be_answered(std::string_view text) {
  return text.contains("always_yes") || text.contains("ALWAYS_YES") || text.contains("condarc") ||
         text.contains("mambarc");
}
bool gets_input(const ShellCommand& command) {
  return std::ranges::any_of(command.redirections,
                             [](const ShellRedirection& one) { return one.op.starts_with('<'); });
}

void unanswered(const ProjectFile& file, const std::vector<ShellCommand>& shell,
                const std::vector<StepCommand>& commands, std::string_view where,
                FindingSink& sink) {
  // What a pipe hands over may be an answer, also to the programs of a group.
  if (std::ranges::any_of(shell, [](const ShellCommand& one) {
        return one.joined_by == "|" && is_one_of(program_of(one).name, {"yes", "echo", "printf"});
      }))
    return;
  for (const StepCommand& command : commands) {
    const Argument* verb = asking_verb(command);
    if (verb == nullptr || gets_input(*command.shell)) continue;
    Finding& found = sink.add(
        "conda-unanswered", file, {command.program_span.begin, verb->span.end},
        fmt::format("{} {} asks \"Proceed ([y]/n)?\", and {} nobody answers: what it makes of the "
                    "end of its input hangs on its release",
                    command.program, verb->text, where));
    found.cause = "unanswered";
    found.evidence = {"conda documentation, conda install: -y, --yes"};
    if (file.source.slice(verb->span) == verb->text)
      found.edits.push_back({{verb->span.end, verb->span.end}, " -y"});
  }
}

void unanswered_in_script(const ProjectFile& file, const std::vector<ShellCommand>& shell,
                          const Environment& environment, std::string_view where,
                          FindingSink& sink) {
  std::size_t budget = 1U << 20;
  unanswered(file, shell, step_commands_of(shell, environment, budget), where, sink);
}

bool is_answered_before(const FileView& view, const Instruction& run) {
  for (const std::string_view name : {"CONDA_ALWAYS_YES", "MAMBA_ALWAYS_YES"})
    if (variable_at(run, nullptr, name).set) return true;
  return may_be_answered(view.file->source.text());
}

}  // namespace

void judge_conda_answers(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views) {
    if (may_be_answered(view.file->source.text())) continue;
    for (const StageView& stage : view.stages)
      for (const Instruction& run : stage.stage->instructions)
        if (stage.reachable && run.keyword == Keyword::kRun && !is_answered_before(view, run))
          unanswered(*view.file, run.commands, commands_of(run), "in a build", sink);
    for (const RunScript& script : scripts_run_by(view))
      if (!may_be_answered(script.file->source.text()))
        unanswered_in_script(*script.file, script.commands, *script.environment, "in a build",
                             sink);
  }
  for (const auto& file : project.files) {
    const std::string_view text = file->source.text();
    if (file->kind == FileKind::kShell && text.contains("\n#SBATCH") && text.contains("conda") &&
        !may_be_answered(text))
      unanswered_in_script(*file, split_shell(text, {0, text.size()}).commands, {}, "in a job",
                           sink);
  }
}

}  // namespace flense::lint
