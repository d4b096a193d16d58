// The GPUs of a Slurm job, as GPUs of the machine: gres.html, "GPU Management"; the environment
// variables of srun(1) and sbatch(1).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "host/profile.h"

namespace flense::launch {

/// A GPU of the machine as CDI names it.
struct GpuSlot {
  std::string vendor;       ///< "nvidia", "amd"
  std::uint64_t index = 0;  ///< in its vendor's order
  std::optional<std::uint64_t> minor;
  std::string uuid, address;    ///< empty when unknown
  std::uint64_t instances = 0;  ///< MIG instances; the GPU itself is then no device
  bool mig_without_instance = false;
};

/// Those that their driver has, NVIDIA's before AMD's.
std::vector<GpuSlot> slots_of(const host::Profile& host);

struct JobGpus {
  std::vector<GpuSlot> slots;
  std::vector<std::string> instances;  ///< UUIDs of MIG instances that the job has instead
  std::string evidence;                ///< "SLURM_JOB_GPUS=2,3"
};

using Variable = std::function<std::optional<std::string>(std::string_view)>;

/// nullopt outside a Slurm job, and in one that says nothing about GPUs. `openable` as in
/// choose_gpus().
std::optional<JobGpus> gpus_of_job(const std::vector<GpuSlot>& all, const Variable& variable,
                                   const std::optional<std::set<std::uint64_t>>& openable);

}  // namespace flense::launch
