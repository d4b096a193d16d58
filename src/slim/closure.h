// Static proof that slimming broke no link: every library and every interpreter that resolved
// before resolves after, and what starts the image is still there. Pure: works on facts, touches no
// file. Resolution follows ld.so(8): RPATH (when no RUNPATH), LD_LIBRARY_PATH, RUNPATH, then the
// directories of ld.so.conf and the defaults.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::slim {

struct LinkFacts {
  std::string path;
  std::vector<std::string> needed;
  std::string rpath, runpath;
  std::string interpreter;
};

/// An executable file that begins with "#!".
struct ScriptFacts {
  std::string path;
  std::string first_line;  ///< what follows "#!"
};

/// How the kernel starts a script, and env(1) after it.
struct Interpreter {
  std::string path;     ///< image path; empty when the line names none
  std::string program;  ///< with env: the name that is looked for in PATH, or an absolute path
};
Interpreter parse_interpreter(std::string_view first_line);

struct ClosureInput {
  std::vector<LinkFacts> files;
  std::vector<ScriptFacts> scripts;
  /// Directories of PATH, as image paths.
  std::vector<std::string> program_path;
  /// Directories of LD_LIBRARY_PATH and of ld.so.conf, as image paths.
  std::vector<std::string> library_path;
  std::vector<std::string> system_directories;
  /// Paths that must stay: entry point, command, interpreters of scripts.
  std::vector<std::string> must_exist;
};

/// True when the path (symbolic links followed inside the image) is a file.
using Exists = std::function<bool(const std::string& path)>;

/// Image paths searched for `soname` on behalf of `file`, in the loader's order.
std::vector<std::string> library_candidates(const LinkFacts& file, const std::string& soname,
                                            const ClosureInput& input);

/// What resolves in `before` but not in `after`; one sentence each. Empty: nothing broke.
std::vector<std::string> broken_links(const ClosureInput& input, const Exists& before,
                                      const Exists& after);

}  // namespace flense::slim
