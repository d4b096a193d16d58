#include "lint/facts/sure_installs.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool surely_runs(const Install& install) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return command != nullptr && command->depth == 0 &&
         std::ranges::none_of(command->words, &ShellWord::dynamic) && !install.conditional;
}

bool may_fail(const Instruction& run, Span command) {
  auto at = std::ranges::find(run.commands, command, &ShellCommand::span);
  while (at != run.commands.end() && is_one_of(at->joined_by, {"&&", "|"})) ++at;
  return at != run.commands.end() && at->joined_by == "||";
}

bool surely_installs(const FileView& view, const Install& install, const PackageList& list,
                     const PackageRequest& request) {
  // Of a project the groups that the command asks for are known, of a lock what they lead to.
  const ProjectFile& file = file_of(install, list, *view.file);
  const bool asked = file.kind == FileKind::kPyproject && &list != &*file.packages;
  return request.marker.empty() && (request.group.empty() || asked) &&
         (file.kind != FileKind::kPyproject || asked) && file.kind != FileKind::kUvLock &&
         surely_runs(install) && (&list == &install.command || !install.filtered);
}

namespace {

/// Managers whose lists are not read, programs that install, and what waits for another build.
bool installs_unseen(const Instruction& step) {
  if (step.keyword == Keyword::kOnbuild) return true;
  if (step.keyword != Keyword::kRun) return false;
  return std::ranges::any_of(commands_of(step), [](const StepCommand& command) {
    return (is_one_of(command.program, {"pipenv", "pdm", "pixi", "hatch", "rye"}) &&
            (command.has("install") || command.has("sync"))) ||
           (command.program.starts_with("python") && !command.arguments.empty() &&
            is_one_of(file_name(command.arguments.front().text),
                      {"install.py", "setup.py", "launch.py"}));
  });
}

}  // namespace

bool knows_all_installs(const FileView& view, std::size_t stage) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    if (std::ranges::any_of(view.dockerfile->stages[one].instructions, installs_unseen))
      return false;
  bool projects = false, lists = false;  // a project that was not found; a list that was
  for (const Install* install : view.installs_in(stage)) {
    const PackageList& command = install->command;
    // What apt brings has names of its own.
    if (is_of_system(command.manager)) continue;
    if (!surely_runs(*install) || install->filtered) return false;
    const auto is_project = [](const Word& named) {
      return named.text.ends_with("pyproject.toml");
    };
    const auto named = std::ranges::count_if(command.requirement_files, is_project);
    const auto found = std::ranges::count_if(install->files, [](const ProjectFile* file) {
      return file->kind == FileKind::kPyproject || file->kind == FileKind::kUvLock;
    });
    const auto all = static_cast<std::ptrdiff_t>(command.requirement_files.size());
    if (std::ssize(install->files) - found < all - named) return false;
    projects = projects || found < named;
    lists = lists || std::ssize(install->files) > found;
    for (const ProjectFile* file : install->files)
      if (!file->packages->requirement_files.empty()) return false;
  }
  // The project itself behind the list of what it needs.
  return (lists || !projects) &&
         std::ranges::none_of(script_installs_of(view), [&](const ScriptInstall& one) {
           return one.stage == stage && !is_of_system(one.list.manager);
         });
}

bool is_constrained(const PackageList& list, const Install* install) {
  const auto option = [](const std::string& one) {
    return starts_with_any(one, {"-c=", "--constraint", "--build-constraint", "-b=", "--override",
                                 "--exclude-newer", "--resolution"});
  };
  // -c is a channel of conda's.
  if (list.manager == PackageManager::kConda) return false;
  if (std::ranges::any_of(list.options, option)) return true;
  if (install == nullptr) return false;
  const PackageList& command = install->command;
  const ShellCommand* shell = command_at(*install->instruction, command.span);
  return std::ranges::any_of(command.options, option) || command.has_option("-c") ||
         std::ranges::any_of(
             std::initializer_list<std::string_view>{"PIP_CONSTRAINT", "UV_CONSTRAINT",
                                                     "UV_OVERRIDE", "UV_EXCLUDE_NEWER"},
             [&](std::string_view name) {
               return variable_at(*install->instruction, shell, name).set;
             });
}

namespace {

/// PIP_EXTRA_INDEX_URL, UV_CONFIG_FILE: a variable that can name an index, or versions.
bool is_of_indexes(std::string_view name) {
  return starts_with_any(name, {"PIP_", "UV_"}) &&
         std::ranges::any_of(
             std::initializer_list<std::string_view>{"INDEX", "FIND_LINKS", "CONFIG", "BACKEND",
                                                     "CONSTRAINT", "OVERRIDE", "REQUIREMENT"},
             [&](std::string_view part) { return holds(name, part); });
}

bool is_configuration(std::string_view path) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"pip.conf", "pip.ini", ".config/pip", "/.pip",
                                              "uv.toml"},
      [&](std::string_view name) { return holds(path, name); });
}

/// `pip config set global.index-url URL`, or a command that writes such a file: of what the command
/// does not say itself nobody knows what it holds.
bool configures_indexes(const StepCommand& command) {
  const bool sets = (command.program.starts_with("pip") || command.has("pip")) &&
                    command.has("config") && command.has("set");
  const auto& targets = command.shell->redirections;
  const bool prints = is_one_of(command.program, {"echo", "printf"});
  const bool writes =
      std::ranges::any_of(command.arguments,
                          [](const Argument& word) { return is_configuration(word.text); }) ||
      std::ranges::any_of(
          targets, [](const ShellRedirection& one) { return is_configuration(one.target.text); });
  if (!sets && !writes) return false;
  return (!sets && !prints) || std::ranges::any_of(command.arguments, [](const Argument& word) {
           return std::ranges::any_of(
               std::initializer_list<std::string_view>{"index", "find-links", "find_links",
                                                       "constraint", "requirement", "$"},
               [&](std::string_view part) { return holds(word.text, part); });
         });
}

bool names_index_settings(std::string_view word) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"PIP_INDEX", "PIP_EXTRA", "PIP_FIND", "PIP_CONFIG", "PIP_NO_INDEX", "UV_INDEX",
       "UV_DEFAULT_INDEX", "UV_EXTRA", "UV_FIND", "UV_CONFIG", "UV_TORCH_BACKEND"});
  return std::ranges::any_of(kNames, [&](std::string_view name) { return word.contains(name); });
}

bool may_set_index(const Instruction& step) {
  return mentions(step, names_index_settings) ||
         (step.keyword == Keyword::kRun ? std::ranges::any_of(commands_of(step), configures_indexes)
                                        : std::ranges::any_of(step.words, [](const Word& word) {
                                            return is_configuration(word.text);
                                          }));
}

}  // namespace

std::size_t index_set_from(const Stage& stage) {
  const auto at = std::ranges::find_if(stage.instructions, may_set_index);
  return at == stage.instructions.end() ? std::string_view::npos : at->span.begin;
}

bool may_have_other_index(const FileView& view, const Install& install) {
  if (view.stages[install.stage].index_set_from <= install.instruction->span.begin ||
      std::ranges::any_of(environment_of(*install.instruction),
                          [](const auto& one) { return is_of_indexes(one.first); }))
    return true;
  if (std::ranges::any_of(mount_targets(*install.instruction), [](std::string_view target) {
        return target.contains("pip.conf") || target.contains("uv.toml");
      }))
    return true;
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return command == nullptr ||
         std::ranges::any_of(command->assignments,
                             [](const ShellAssignment& one) { return is_of_indexes(one.name); });
}

}  // namespace flense::lint
