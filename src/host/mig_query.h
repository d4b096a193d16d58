// MIG as the running driver reports it: the number and UUID of each instance, which are in no plain
// file. Queried through nvidia-smi, as in driver_query.h.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::host {

struct MigInstance {
  std::string pci_address;         ///< of its GPU: "0000:07:00.0"
  std::uint64_t index = 0;         ///< as nvidia-smi numbers the instances of a GPU
  std::uint64_t gpu_instance = 0;  ///< as /proc/driver/nvidia/capabilities numbers them
  std::uint64_t compute_instance = 0;
  std::string uuid;  ///< "MIG-…"; empty where the driver names none
  bool operator==(const MigInstance&) const = default;
};

struct MigAnswer {
  std::set<std::string> enabled;       ///< addresses of GPUs in MIG mode, with or without instances
  std::vector<MigInstance> instances;  ///< by address, then index
  bool operator==(const MigAnswer&) const = default;
};

/// From `nvidia-smi -q` and `nvidia-smi -L`, whose GPUs are in the same order. What is not
/// understood is left out.
MigAnswer parse_mig(std::string_view query, std::string_view list);

/// Runs both; an environment error when nvidia-smi is not there or fails.
Result<MigAnswer> ask_mig();

}  // namespace flense::host
