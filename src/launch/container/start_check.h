// Checks what a container starts with before anything is started: nothing leads into /proc,
// whatever the engine would make of that, and the exit status and the message are those that people
// know (125, 126, 127).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/container/container_path.h"
#include "launch/container/mount_targets.h"
#include "launch/container/oci_config.h"

namespace flense::launch {

/// The container's paths with the mounts, in their order. Bad input where the place of /proc, /sys
/// or /dev is a link in the image, where a target leads into /proc, and where the kinds of source
/// and target differ; also where a link of the image would have a target made in something of the
/// host. `missing` are made before the container is.
Result<ContainerPaths> check_mounts(int root, const std::vector<OciMount>& mounts,
                                    const std::vector<MissingTarget>& missing = {},
                                    bool as_caller = true);

/// The working directory without links. An environment error when there is none or it cannot be
/// entered, bad input when it leads into /proc.
Result<std::string> check_directory(const ContainerPaths& paths, const std::string& directory);

/// A usage error where standard input, output or error is a directory: it would lead out of the
/// root, as any open directory does.
Result<void> check_standard_streams();

enum class CommandState { kFound, kMissing, kNotExecutable, kUnknown };

struct CommandCheck {
  CommandState state = CommandState::kUnknown;
  std::string reason;  ///< for a person, with kNotExecutable; may be empty
  /// Where the image was looked into, without links; with kFound the last is the program, unless
  /// that is mounted.
  std::vector<std::string> looked;
};

/// `args[0]` as execvp would look for it, with the interpreters that the kernel starts for it.
/// kUnknown in file systems that the kernel fills. Bad input when it leads into /proc
/// (CVE-2019-5736 began with a program that was a link to /proc/self/exe).
Result<CommandCheck> check_command(const ContainerPaths& paths,
                                   const std::vector<std::string>& args,
                                   const std::vector<std::string>& env, const std::string& cwd);

}  // namespace flense::launch
