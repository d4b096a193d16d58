#include "lint/facts/sure_installs.h"

#include <algorithm>

#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// `test … && pip install`, `pip install || pip install`: what follows may not run.
bool decides_about_next(const ShellCommand& command) {
  return command.joined_by == "||" ||
         (command.joined_by == "&&" && is_one_of(program_of(command).name, {"test", "[", "[["}));
}

/// Whether a command of the && and || in front of this one decides about it.
bool is_decided(const std::vector<ShellCommand>& all, std::size_t at) {
  for (bool group = false; at > 0; --at) {
    const ShellCommand& before = all[at - 1];
    const bool joined = before.joined_by == "&&" || before.joined_by == "||";
    if (before.depth == 0) {
      if (decides_about_next(before)) return true;
      if (!joined) return false;
      group = false;
    } else if (!before.joined_by.empty() && !group) {
      // The end of { … } or ( … ); what $( … ) holds is joined by nothing.
      if (decides_about_next(before)) return true;
      if (!joined) return false;
      group = true;
    }
  }
  return false;
}

}  // namespace

bool is_conditional(const Install& install) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  // The text of sh -c is no branch.
  if (command == nullptr || command->depth > (command->within == 0 ? 0u : 1u)) return true;
  const auto& all = install.instruction->commands;
  return is_decided(all, static_cast<std::size_t>(command - all.data()));
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

}  // namespace flense::lint
