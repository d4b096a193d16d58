// What ties files of an image together when a program starts: libraries, and interpreters of
// scripts. Pure: works on facts, touches no file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flense::inventory {

struct LinkFacts {
  std::string path;
  std::vector<std::string> needed;
  std::string rpath, runpath;
  std::string interpreter;
};

/// Directories, as image paths, that every program of the image has its libraries looked up in.
struct LibraryPaths {
  std::vector<std::string> environment;  ///< LD_LIBRARY_PATH
  std::vector<std::string> system;       ///< of ld.so.conf, and the loader's own
};

/// Image paths searched for `soname` on behalf of `file`, in the order of ld.so(8): RPATH (when no
/// RUNPATH), LD_LIBRARY_PATH, RUNPATH, then the system's directories.
std::vector<std::string> library_candidates(const LinkFacts& file, const std::string& soname,
                                            const LibraryPaths& paths);

/// How the kernel starts a script, and env(1) after it.
struct Interpreter {
  std::string path;     ///< image path; empty when the line names none
  std::string program;  ///< with env: the name that is looked for in PATH, or an absolute path
};
/// `first_line` is what follows "#!".
Interpreter parse_interpreter(std::string_view first_line);

}  // namespace flense::inventory
