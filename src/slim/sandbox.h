// `--verify CMD`: the user's own proof, run in the original and in the slim root file system.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace flense::slim {

struct SandboxRun {
  int status = 0;
  std::string out, err;
};

/// What the image says a process gets.
struct SandboxEnvironment {
  std::vector<std::string> environment;  ///< "NAME=value"
  std::string working_directory = "/";
};

/// Makes the directories that the sandbox mounts over, where the (private) root lacks them.
Result<void> add_mount_points(const std::filesystem::path& root);

/// The argument vector for that: `bwrap` is the program, `shell` whether the root has /bin/sh.
/// `scratch` are the directories of the root that get a fresh tmpfs.
std::vector<std::string> sandbox_arguments(const std::string& bwrap,
                                           const std::filesystem::path& root,
                                           const std::string& command,
                                           const SandboxEnvironment& environment, bool shell,
                                           const std::vector<std::string>& scratch);

/// Runs `command` by the image's /bin/sh -c, or directly when the image has no shell, inside `root`
/// through bubblewrap: root read-only, /tmp and /run fresh, /proc and /dev minimal, no network, own
/// PID namespace, no privileges. Environment error when bwrap is missing or cannot start.
Result<SandboxRun> run_in_root(const std::filesystem::path& root, const std::string& command,
                               const SandboxEnvironment& environment);

struct SandboxComparison {
  bool equal = false;
  SandboxRun original, slim;
  std::string difference;  ///< one sentence when not equal
};

/// A command that fails in the original proves nothing, whatever it does in the slim root.
SandboxComparison compare_runs(SandboxRun original, SandboxRun slim);

/// Runs the command in both; in the original alone where it fails there.
Result<SandboxComparison> compare_in_roots(const std::filesystem::path& original,
                                           const std::filesystem::path& slim,
                                           const std::string& command,
                                           const SandboxEnvironment& environment);

}  // namespace flense::slim
