// `--verify CMD`: the user's own proof, run in the original and in the slim root file system; and
// how any command is run in a root.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
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

/// The words that start `command`: by the root's /bin/sh -c, or, without a `shell`, its own.
std::vector<std::string> command_words(const std::string& command, bool shell);

/// The argument vector that runs `words` in the root: `bwrap` is the program. `scratch` are the
/// directories of the root that get a fresh tmpfs; `filter` is a descriptor of a seccomp program
/// that bubblewrap puts on the command, or -1.
std::vector<std::string> sandbox_arguments(const std::string& bwrap,
                                           const std::filesystem::path& root,
                                           const std::vector<std::string>& words,
                                           const SandboxEnvironment& environment,
                                           const std::vector<std::string>& scratch,
                                           int filter = -1);

/// What starts a command in a root.
struct SandboxStart {
  std::vector<std::string> argv;
  std::vector<std::string> covered;  ///< image paths that hold nothing of the image inside
};
/// `option` is what the user asked for ("--verify"). Environment error when bwrap is missing.
Result<SandboxStart> prepare_sandbox(const std::filesystem::path& root,
                                     const std::vector<std::string>& words,
                                     const SandboxEnvironment& environment, std::string_view option,
                                     int filter = -1);
/// The same for a command as a user writes it.
Result<SandboxStart> prepare_sandbox(const std::filesystem::path& root, const std::string& command,
                                     const SandboxEnvironment& environment, std::string_view option,
                                     int filter = -1);

/// Why the sandbox itself did not start; nullopt when it did.
std::optional<Error> sandbox_failure(const SandboxRun& run);

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

}  // namespace flense::slim
