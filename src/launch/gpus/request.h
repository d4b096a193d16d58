// What was requested with --gpus, --nv, --rocm and --device, and what the batch system allows, as
// qualified CDI device names.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cdi/spec/spec.h"
#include "host/profile.h"
#include "host/tree.h"

namespace flense::launch {

struct GpuRequest {
  std::vector<std::string> gpus;  ///< values of --gpus, as typed: "all", "0,1", "device=0,1"
  std::vector<std::string>
      devices;  ///< values of --device: CDI names, or nodes of /dev: "A", "A:B:rw"
  bool nvidia = false, rocm = false;  ///< --nv, --rocm: whatever is there, possibly nothing
};

/// Whether anything was asked for at all: if not, the machine is not looked at.
inline bool asks_for_devices(const GpuRequest& request) {
  return request.nvidia || request.rocm || !request.gpus.empty() || !request.devices.empty();
}

struct GpuChoice {
  std::vector<std::string> names;      ///< qualified CDI names
  std::vector<cdi::DeviceNode> nodes;  ///< plain nodes of /dev
  std::vector<std::string> env;        ///< that goes with it: "CUDA_VISIBLE_DEVICES=…"
  std::vector<std::string> reasons;    ///< for --explain
  std::vector<std::string> notices;    ///< words that have no effect here
};

/// `variable` reads the caller's environment (Slurm's SLURM_JOB_GPUS, CUDA_VISIBLE_DEVICES, …).
/// `openable` are the minors N of /dev/nvidiaN that this process may open; nullopt: not asked.
/// Within a Slurm job, indices count the job's GPUs, and "all" are those. A usage error for a value
/// that is not understood; an environment error for a GPU that is not there, naming those that are.
Result<GpuChoice> choose_gpus(
    const GpuRequest& request, const host::Profile& host,
    const std::function<std::optional<std::string>(std::string_view)>& variable,
    const std::optional<std::set<std::uint64_t>>& openable = std::nullopt);

/// Of the NVIDIA GPUs of `host`, whose nodes the kernel lets us open; nullopt where it was not to
/// be asked (a copied tree, nodes that are missing).
std::optional<std::set<std::uint64_t>> openable_minors(const host::Tree& dev,
                                                       const host::Profile& host);

}  // namespace flense::launch
