// What the steps of a Dockerfile do, as the rules on size and caches need it: commands with their
// words expanded, the user and working directory at a step, cache mounts, where tools keep
// their caches, and which paths a step writes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lint/facts/stage_view.h"
#include "lint/shell/command_words.h"

namespace flense::lint {

const Environment& environment_of(const Instruction& instruction);

/// An instruction and what holds where it begins.
struct Step {
  const Instruction* instruction = nullptr;
  std::string user = "root";  ///< of the last USER; empty: not known
  std::string home;           ///< of that user; empty: not known
  std::string directory;      ///< of WORKDIR; empty: none is stated, or it is not known
  bool is_placed = false;     ///< a WORKDIR is stated before it

  /// Without a WORKDIR all steps begin in one directory, the base's: the root stands for it where
  /// their paths are compared with each other.
  std::string start() const { return directory.empty() && !is_placed ? "/" : directory; }
};

/// The instructions of a stage and of those that it is built on, in the order of the build.
class StageSteps {
 public:
  StageSteps() = default;
  StageSteps(const FileView& view, std::size_t stage);

  const std::vector<Step>& all() const { return steps_; }
  /// Null for an instruction of another stage.
  const Step* find(const Instruction* instruction) const;

 private:
  std::vector<Step> steps_;
  std::vector<std::span<const Instruction>> stages_;
};

bool is_root(std::string_view user);

inline const std::vector<StepCommand>& commands_of(const Instruction& instruction) {
  return instruction.step_commands;
}

/// Whether commands fail unless a file has the checksum that is stated: `sha256sum -c`, or its
/// output against another text.
bool compares_sums(const std::vector<StepCommand>& commands);

/// Packages of the build's own by their paths alone: nobody signs these, and no repository has
/// them.
bool takes_files(const ShellCommand& command);

/// "~/models", "../models" as an absolute path; empty: it hangs on what is not known.
std::string absolute_path(std::string_view directory, std::string_view path, std::string_view home);
/// A text with its variables replaced; empty: one is not known.
std::string with_values(std::string_view text, const Environment& environment);

/// The folder that `git clone` writes, as it is named; empty: the command clones nothing.
std::string clone_target(const StepCommand& command);

/// Whether a step of the stage, or of those that it is built on, uninstalls the package: who does
/// so knows of it.
bool uninstalls(const FileView& view, std::size_t stage, const std::string& package);

/// Whether every build comes to the place of an instruction: no branch of its commands holds it.
bool is_reached(const Instruction& instruction, Span place);

/// The command that a list of packages was read from; null where it is not among them.
const ShellCommand* command_at(const Instruction& instruction, Span span);

/// A variable at a command: an assignment in front of it, an earlier one or an export of the same
/// instruction, ENV or ARG.
struct VariableState {
  bool set = false;
  std::optional<std::string> value;  ///< nullopt: not known

  /// Set, and neither empty, 0, false, no nor off.
  bool on() const;
};
VariableState variable_at(const Instruction& instruction, const ShellCommand* command,
                          std::string_view name);

struct CacheMount {
  const Flag* flag = nullptr;
  std::string target;  ///< variables replaced; empty: not known
  std::string id;      ///< what mounts of one cache have in common: the target, unless id= says so
  bool states_access = false;  ///< by uid or mode
};
/// --mount=type=cache of a RUN.
std::vector<CacheMount> cache_mounts(const Instruction& instruction);

/// Where mounts of a RUN lie, of every type, as written.
std::vector<std::string> mount_targets(const Instruction& instruction);

/// True when `path` is `directory` or lies in it.
bool lies_in(std::string_view path, std::string_view directory);

/// The directory in which a tool of the table keeps its cache at a command; empty: not known.
std::string cache_directory(const Step& step, const ShellCommand* command,
                            const knowledge::ToolCacheRow& tool);

}  // namespace flense::lint
