#include "lint/facts/sure_installs.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool is_conditional(const Install& install) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  const auto& all = install.instruction->commands;
  return command == nullptr || !surely_reached(all)[static_cast<std::size_t>(command - all.data())];
}

bool surely_runs(const Install& install) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return command != nullptr && command->depth == 0 &&
         std::ranges::none_of(command->words, &ShellWord::dynamic) && !is_conditional(install);
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
         surely_runs(install);
}

bool knows_all_installs(const FileView& view, std::size_t stage) {
  bool projects = false, lists = false;  // a project that was not found; a list that was
  for (const Install* install : view.installs_in(stage)) {
    const PackageList& command = install->command;
    // What apt brings has names of its own.
    if (is_of_system(command.manager)) continue;
    if (!surely_runs(*install)) return false;
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

bool names_index_settings(std::string_view word) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"pip.conf", "pip.ini", "pip config", ".config/pip", "/.pip", "uv.toml", "PIP_INDEX",
       "PIP_EXTRA", "PIP_FIND", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA", "UV_FIND",
       "UV_TORCH_BACKEND", "PIP_NO_INDEX"});
  return std::ranges::any_of(kNames, [&](std::string_view name) { return word.contains(name); });
}

/// `pip config set` too, in words of its own.
bool may_set_index(const Instruction& step) {
  return mentions(step, names_index_settings) ||
         std::ranges::any_of(commands_of(step), [](const StepCommand& command) {
           return command.has("config") &&
                  (command.program.starts_with("pip") || command.has("pip"));
         });
}

}  // namespace

std::size_t index_set_from(const Stage& stage) {
  const auto at = std::ranges::find_if(stage.instructions, may_set_index);
  return at == stage.instructions.end() ? std::string_view::npos : at->span.begin;
}

bool may_have_other_index(const FileView& view, const Install& install) {
  if (view.stages[install.stage].index_set_from <= install.instruction->span.begin) return true;
  const Environment& known = environment_of(*install.instruction);
  if (std::ranges::any_of(known, [](const auto& one) {
        return one.first.starts_with("PIP_") || one.first.starts_with("UV_")
                   ? holds(one.first, "INDEX") || holds(one.first, "FIND_LINKS") ||
                         holds(one.first, "CONFIG") || holds(one.first, "BACKEND")
                   : false;
      }))
    return true;
  if (std::ranges::any_of(mount_targets(*install.instruction), [](std::string_view target) {
        return target.contains("pip.conf") || target.contains("uv.toml");
      }))
    return true;
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return command == nullptr ||
         std::ranges::any_of(command->assignments, [](const ShellAssignment& one) {
           return one.name.starts_with("PIP_") || one.name.starts_with("UV_");
         });
}

}  // namespace flense::lint
