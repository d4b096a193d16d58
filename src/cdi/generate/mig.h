// MIG instances from the files of the kernel module: which capability nodes open which instance.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/discovery.h"

namespace flense::cdi {

/// /proc/driver/nvidia-caps/mig-minors: "gpu0/gi3/ci0/access 31" -> {"gpu0/gi3/ci0/access", 31}.
/// Lines that are not understood are left out.
std::map<std::string, std::uint32_t> parse_mig_minors(std::string_view text);

/// "DeviceFileMinor: 31" of …/access; nullopt when it is not there.
std::optional<std::uint32_t> parse_access(std::string_view text);

/// One compute instance.
struct MigDevice {
  std::uint64_t gpu_instance = 0, compute_instance = 0;
  std::uint32_t gpu_cap = 0, compute_cap = 0;  ///< N of /dev/nvidia-caps/nvidia-capN
};

/// Those of the GPU with this minor, by gpu instance and compute instance; nullopt when it has no
/// instance. One whose capability nodes no file names is left out with a notice.
std::optional<std::vector<MigDevice>> mig_devices(Discovery& discovery, std::uint64_t gpu_minor);

}  // namespace flense::cdi
