// What the scripts that a Dockerfile's RUN instructions call ask for.
#pragma once

#include <vector>

#include "lint/facts/stage_view.h"
#include "lint/shell/shell.h"

namespace flense::lint {

struct ScriptInstall {
  PackageList list;  ///< its places are in `script`
  const ProjectFile* script = nullptr;
  std::size_t stage = 0;
};

/// A script that a RUN starts.
struct RunScript {
  const ProjectFile* file = nullptr;
  std::size_t stage = 0;
  const Environment* environment = nullptr;
  std::vector<ShellCommand> commands;
  std::vector<bool> reached;  ///< surely_reached(commands)
  bool conditional = false;   ///< a condition of the RUN starts it

  /// Every build runs the command at this place, as it is written.
  bool surely_runs(Span command) const;
};

/// In the order of the file. Scripts are found through COPY, ADD and bind mounts from the build
/// context; those that they call in turn are not read.
std::vector<RunScript> scripts_run_by(const FileView& view);
std::vector<ScriptInstall> script_installs_of(const FileView& view);

}  // namespace flense::lint
