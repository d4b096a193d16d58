// A device node of the host as edits name it: found without opening it, by following its links.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cdi/spec/spec.h"
#include "host/tree.h"

namespace flense::cdi {

/// A device with everything that a runtime needs to know.
struct HostNode {
  std::string path;  ///< on the host, with all links below /dev followed
  std::string type;  ///< "c", "b", "p"
  std::int64_t major = 0, minor = 0;
};

/// Where the node lies on the host.
const std::string& host_path_of(const DeviceNode& node);

/// What the machine says; nullopt when there is no device. Paths below /dev are those of `dev`,
/// which may be a copy, and no link leads out of it; others, such as the /dev of a driver's own
/// root, are this machine's, and no links.
std::optional<HostNode> look_up(const std::string& path, const host::Tree& dev);

/// Why there is none: "/dev/nvidia0 is not there".
std::string why_missing(const std::string& path, const host::Tree& dev);

}  // namespace flense::cdi
