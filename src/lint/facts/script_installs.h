// What the scripts that a Dockerfile's RUN instructions call ask for.
#pragma once

#include <functional>
#include <map>
#include <optional>
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

/// What single steps clean up by the scripts that they call.
class CleaningScripts {
 public:
  explicit CleaningScripts(const FileView& view);

  /// Where the last command of a RUN stands that starts a script with such commands in it; of one
  /// that the project does not hold, its name says so ("clean-layer.sh").
  std::optional<std::size_t> last_in(
      std::size_t stage, const Instruction& run,
      const std::function<bool(const std::vector<StepCommand>&)>& cleans);

 private:
  struct Script {
    std::vector<ShellCommand> shell;
    std::vector<StepCommand> commands;
  };
  const Script& script_in(const ProjectFile& file, const Environment& environment);

  const FileView& view_;
  std::string root_;
  std::map<const ProjectFile*, Script> read_;
  std::size_t asked_ = 0;
};

}  // namespace flense::lint
