#include "slim/plan/broken_links.h"

#include <algorithm>

#include "base/format.h"
#include "base/path.h"

namespace flense::slim {

namespace {

std::vector<std::string> program_candidates(const std::string& program, const ClosureInput& input) {
  if (program.find('/') != std::string::npos) return {resolve_link_text("", program)};
  std::vector<std::string> out;
  for (const std::string& directory : input.program_path)
    out.push_back(directory.empty() ? program : fmt::format("{}/{}", directory, program));
  return out;
}

void check_script(const ScriptFacts& script, const ClosureInput& input, const Exists& before,
                  const Exists& after, std::vector<std::string>& broken) {
  const inventory::Interpreter interpreter = inventory::parse_interpreter(script.first_line);
  if (interpreter.path.empty()) return;
  if (before(interpreter.path) && !after(interpreter.path)) {
    broken.push_back(fmt::format("the script {} needs /{}", script.path, interpreter.path));
    return;
  }
  if (interpreter.program.empty()) return;
  const std::vector<std::string> candidates = program_candidates(interpreter.program, input);
  if (std::ranges::any_of(candidates, before) && std::ranges::none_of(candidates, after))
    broken.push_back(fmt::format("the script {} needs {}", script.path, interpreter.program));
}

}  // namespace

std::vector<std::string> broken_links(const ClosureInput& input, const Exists& before,
                                      const Exists& after) {
  std::vector<std::string> broken;
  for (const inventory::LinkFacts& file : input.files) {
    if (!after(file.path)) continue;
    if (!file.interpreter.empty()) {
      const std::string path = resolve_link_text("", file.interpreter);
      if (before(path) && !after(path))
        broken.push_back(fmt::format("{} needs the interpreter /{}", file.path, path));
    }
    for (const std::string& soname : file.needed) {
      const std::vector<std::string> candidates =
          inventory::library_candidates(file, soname, input.libraries);
      const bool was = std::ranges::any_of(candidates, before);
      if (was && std::ranges::none_of(candidates, after))
        broken.push_back(fmt::format("{} needs {}", file.path, soname));
    }
  }
  for (const ScriptFacts& script : input.scripts)
    if (after(script.path)) check_script(script, input, before, after, broken);
  for (const std::string& path : input.must_exist)
    if (before(path) && !after(path))
      broken.push_back(fmt::format("the image starts with /{}", path));
  return broken;
}

}  // namespace flense::slim
