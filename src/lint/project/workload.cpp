#include "lint/project/workload.h"

#include <array>

namespace flense::lint {

std::string_view to_string(WorkloadKind kind) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "compose", "kubernetes", "quadlet", "systemd", "docker", "podman", "apptainer", "srun"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace flense::lint
