// Where the user-space driver and the device nodes are: on the machine's own root, or in that of a
// driver container (the GPU operator's /run/nvidia/driver).
#pragma once

#include <string>
#include <string_view>

#include "cdi/generate/discovery.h"

namespace flense::cdi {

struct DriverRoot {
  host::Tree tree;
  std::string prefix;  ///< of host paths: "" or "/run/nvidia/driver"

  /// The host's path of a file below the root, all links followed; nullopt when there is none.
  std::optional<std::string> on_host(std::string_view path) const;
};

/// options.driver_root, else where a libcuda is, else the machine's own root.
Result<DriverRoot> find_driver_root(Discovery& discovery);

}  // namespace flense::cdi
