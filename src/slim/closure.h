// Static proof that slimming broke no link: every library that resolved before resolves after, and
// what starts the image is still there. Pure: works on facts, touches no file.
// Resolution follows ld.so(8): RPATH (when no RUNPATH), LD_LIBRARY_PATH, RUNPATH, then the
// directories of ld.so.conf and the defaults.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace flense::slim {

struct LinkFacts {
  std::string path;
  std::vector<std::string> needed;
  std::string rpath, runpath;
  std::string interpreter;
};

struct ClosureInput {
  std::vector<LinkFacts> files;
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
