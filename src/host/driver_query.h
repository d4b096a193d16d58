// What no plain file tells but the running driver does: memory, compute mode, persistence mode, MIG
// mode, NVLink. Queried through nvidia-smi, that is, the vendor's management library (NVML) in a
// process of its own and of the driver's own version.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/profile.h"

namespace flense::host {

struct DriverAnswer {
  std::string gpus;      ///< nvidia-smi --query-gpu=… --format=csv,noheader,nounits
  std::string topology;  ///< nvidia-smi topo -m; empty where it does not answer
};

/// Standard output of nvidia-smi, which may take 30 seconds. An environment error when it is not
/// there, does not answer or fails.
Result<std::string> ask_nvidia_smi(const std::vector<std::string>& arguments);
/// "00000000:17:00.0" -> "0000:17:00.0": NVML's way to write an address, and the kernel's.
std::string kernel_address(std::string_view bus_id);

/// Runs nvidia-smi, for at most 30 seconds each time. An environment error when it is not there,
/// does not answer or fails.
Result<DriverAnswer> ask_driver();

/// Adds the answer to the GPUs that it names by PCI address. What contradicts the profile, or
/// cannot be read, becomes a notice; nothing that is known is lost.
void add_answer(Profile& profile, const DriverAnswer& answer);

}  // namespace flense::host
