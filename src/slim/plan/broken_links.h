// Static proof that slimming broke no link: every library and every interpreter that resolved
// before resolves after, and what starts the image is still there. Pure: works on facts, touches no
// file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "inventory/describe/links.h"

namespace flense::slim {

/// An executable file that begins with "#!".
struct ScriptFacts {
  std::string path;
  std::string first_line;  ///< what follows "#!"
};

struct ClosureInput {
  std::vector<inventory::LinkFacts> files;
  std::vector<ScriptFacts> scripts;
  /// Directories of PATH, as image paths.
  std::vector<std::string> program_path;
  inventory::LibraryPaths libraries;
  /// Paths that must stay: entry point, command, interpreters of scripts.
  std::vector<std::string> must_exist;
};

/// True when the path (symbolic links followed inside the image) is a file.
using Exists = std::function<bool(const std::string& path)>;

/// What resolves in `before` but not in `after`; one sentence each. Empty: nothing broke.
std::vector<std::string> broken_links(const ClosureInput& input, const Exists& before,
                                      const Exists& after);

}  // namespace flense::slim
