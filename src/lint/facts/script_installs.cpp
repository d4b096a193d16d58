#include "lint/facts/script_installs.h"

#include <algorithm>
#include <set>

#include "lint/facts/build_steps.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostScripts = 200;

/// "install.sh" of `bash /tmp/install.sh`, `. /tmp/install.sh`; empty: no script.
std::string script_of(const StepCommand& command, const Instruction& run) {
  if (is_shell(command.program) || is_one_of(command.program, {".", "source"})) {
    for (const Argument& word : command.arguments)
      if (!word.text.starts_with('-')) return word.text.ends_with(".sh") ? word.text : "";
    return {};
  }
  if (!command.program.ends_with(".sh")) return {};
  for (const ShellWord& word : command.shell->words)
    if (word.span == command.program_span)
      return word.dynamic ? expand(word.text, environment_of(run)).value_or("") : word.text;
  return {};
}

/// The file of the context that is at `path` in the stage.
const ProjectFile* context_file(const FileView& view, std::size_t stage, const std::string& root,
                                const std::string& path) {
  const auto take = [&](const std::string& relative) -> const ProjectFile* {
    const ProjectFile* file = view.project->find(path_below(root, relative));
    return file != nullptr && file->kind == FileKind::kShell ? file : nullptr;
  };
  const std::string name(file_name(path));
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions) {
      if (!copy.copies() || copy.flag("from") != nullptr) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
        std::string source = copy.words[at].text;
        while (source.starts_with('/')) source.erase(0, 1);
        const bool same = file_name(source) == name;
        if (const ProjectFile* file = take(same ? source : source + "/" + name)) return file;
      }
    }
  return path.starts_with('/') ? nullptr : take(path);
}

}  // namespace

bool RunScript::surely_runs(Span command) const {
  const auto one = std::ranges::find(commands, command, &ShellCommand::span);
  return !conditional && one != commands.end() && one->depth == 0 &&
         std::ranges::none_of(one->words, &ShellWord::dynamic) &&
         reached[static_cast<std::size_t>(one - commands.begin())];
}

std::vector<RunScript> scripts_run_by(const FileView& view) {
  std::vector<RunScript> out;
  std::set<const ProjectFile*> read;
  const std::string root = view.project->context_directory(*view.file);
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& run : stage.stage->instructions) {
      if (run.keyword != Keyword::kRun) continue;
      for (const StepCommand& command : commands_of(run)) {
        const std::string path = script_of(command, run);
        if (path.empty() || path.contains('$') || read.size() >= kMostScripts) continue;
        const ProjectFile* script = context_file(view, stage.index, root, path);
        if (script == nullptr || !read.insert(script).second) continue;
        const std::string_view text = script->source.text();
        std::vector<ShellCommand> commands = split_shell(text, {0, text.size()}).commands;
        std::vector<bool> reached = surely_reached(commands);
        out.push_back(
            {script, stage.index, &environment_of(run), std::move(commands), std::move(reached),
             !surely_reached(
                 run.commands)[static_cast<std::size_t>(command.shell - run.commands.data())]});
      }
    }
  }
  return out;
}

std::vector<ScriptInstall> script_installs_of(const FileView& view) {
  std::vector<ScriptInstall> out;
  for (const RunScript& one : scripts_run_by(view))
    for (PackageList& list : package_commands(one.file->source, one.commands, *one.environment))
      out.push_back({std::move(list), one.file, one.stage});
  return out;
}

CleaningScripts::CleaningScripts(const FileView& view)
    : view_(view), root_(view.project->context_directory(*view.file)) {}

const CleaningScripts::Script& CleaningScripts::script_in(const ProjectFile& file,
                                                          const Environment& environment) {
  const auto [at, fresh] = read_.try_emplace(&file);
  if (fresh) {
    const std::string_view text = file.source.text();
    std::size_t budget = 1U << 20;
    at->second.shell = split_shell(text, {0, text.size()}).commands;
    at->second.commands = step_commands_of(at->second.shell, environment, budget);
  }
  return at->second;
}

std::optional<std::size_t> CleaningScripts::last_in(
    std::size_t stage, const Instruction& run,
    const std::function<bool(const std::vector<StepCommand>&)>& cleans) {
  std::optional<std::size_t> out;
  for (const StepCommand& command : commands_of(run)) {
    const std::string path = script_of(command, run);
    bool does = file_name(path.empty() ? command.program : path).contains("clean");
    if (!path.empty() && ++asked_ <= kMostScripts)
      if (const ProjectFile* file = context_file(view_, stage, root_, path))
        does = cleans(script_in(*file, environment_of(run)).commands);
    if (does) out = command.shell->span.begin;
  }
  return out;
}

}  // namespace flense::lint
