// Two specifications side by side: one on disk, and what would be generated now.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/generate.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

struct Difference {
  /// "device", "node", "mount", "environment", "hook", "group".
  std::string what;
  /// "gone": on disk only. "new": would be generated. "changed": other content under one name; of a
  /// mount also the same library in another version.
  std::string how;
  std::string device;  ///< of which device; empty: of the device itself, or of all containers
  std::string name;    ///< device name, path in the container, hook
  std::string was, now;
  bool operator==(const Difference&) const = default;
};

/// Devices first, then what all containers get, then each device. Numbers and modes of nodes that
/// only one side states are no difference.
std::vector<Difference> differences(const Spec& on_disk, const Spec& generated);

/// The options by which `spec` was generated, as far as it tells: mode, capabilities, roots, hooks,
/// library directories, groups, what GPUs work with. `modes` are those of this machine.
GenerateOptions recognise(const Spec& spec, const std::vector<Mode>& modes);

}  // namespace flense::cdi
