// What a command takes of a project: the dependencies of pyproject.toml with the extras and groups
// that it asks for, and of a lock file what follows from them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lint/packages/packages.h"

namespace flense::lint {

/// uv.lock: its packages, and who needs whom.
struct LockGraph {
  struct Need {
    std::string name, version;  ///< the version only where the lock holds several
    std::string marker;
    std::vector<std::string> extras;
  };
  struct Node {
    std::string name, version;
    std::size_t request = 0;  ///< in the list; kNone for the project and its members
    std::vector<Need> needs;
    std::map<std::string, std::vector<Need>, std::less<>> extras, groups;
    bool root = false;  ///< the project that the lock lies beside
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  std::vector<Node> nodes;
};

/// The part of a project's file that a command installs. `beside`: the pyproject.toml of a lock
/// file; null: none was read. `python`: the interpreter's version, or empty. Groups are resolved:
/// what is taken is asked for.
PackageList taken_by(const PackageList& command, const PackageList& file, const PackageList* beside,
                     std::string_view python);

}  // namespace flense::lint
