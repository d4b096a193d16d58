// Whether the program to start is there, told before anything is started: so that the exit status
// and the message are those that people know (126, 127).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launch/in_root.h"
#include "launch/oci_config.h"

namespace flense::launch {

enum class CommandState { kFound, kMissing, kNotExecutable, kUnknown };

/// `args[0]` as execvp would look for it. kUnknown where a place to look at is mounted over.
CommandState check_command(int root, const std::vector<std::string>& args,
                           const std::vector<std::string>& env, const std::string& cwd,
                           const std::vector<OciMount>& mounts);

}  // namespace flense::launch
