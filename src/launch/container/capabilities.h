// Capabilities of a container's command. They count in the container's own user namespace alone,
// and none is given there that could undo what covers the kernel's files.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace flense::launch {

struct CapabilityInput {
  bool root_inside = false;                 ///< uid 0, pretended or of a range of ids
  std::vector<std::string> added, dropped;  ///< as typed: "SYS_PTRACE", "cap_chown", "ALL"
};

/// As the kernel calls them. A usage error for what no mode has, or not this one, with what to do
/// instead.
Result<std::vector<std::string>> plan_capabilities(const CapabilityInput& input);

/// Whether a process with these opens the files that it would open without.
bool leave_files_alone(const std::vector<std::string>& capabilities);

}  // namespace flense::launch
