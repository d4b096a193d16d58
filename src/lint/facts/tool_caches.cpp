#include "lint/facts/tool_caches.h"

#include "lint/source/blanks.h"

namespace flense::lint {

const knowledge::ToolCacheRow* tool_of(const FileView& view, const PackageList& list) {
  return view.project->knowledge->build.cache(to_string(list.manager));
}

std::string switched_off(const Instruction& run, const ShellCommand* command,
                         const PackageList& list, const knowledge::ToolCacheRow& tool) {
  for (const std::string& option : tool.options)
    if (list.has_option(option)) return option;
  for (const std::string& name : tool.off)
    if (variable_at(run, command, name).on()) return name;
  return {};
}

bool empties(const Instruction& run, std::string_view directory, std::string_view tool,
             bool unknown) {
  for (const StepCommand& command : commands_of(run)) {
    if (command.program == "rm") {
      for (const Argument& word : command.arguments) {
        std::string path = word.text;
        if (path.starts_with("~")) path = "/root" + path.substr(1);
        while (path.ends_with('/') || path.ends_with('*')) path.pop_back();
        if (holds(path, "$")) {
          if (unknown) return true;
        } else if (!path.empty() && lies_in(directory, path)) {
          return true;
        }
      }
    }
    const bool cache = command.has("cache");
    if (holds(command.program, tool) && cache && (command.has("purge") || command.has("clean")))
      return true;
    if (command.program.starts_with("python") && command.has(tool) && cache && command.has("purge"))
      return true;
  }
  return false;
}
}  // namespace flense::lint
