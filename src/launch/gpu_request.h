// What was asked for with --gpus, --nv, --rocm and --device, and what the batch system allows, as
// qualified CDI device names.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/profile.h"

namespace flense::launch {

struct GpuRequest {
  std::vector<std::string> gpus;      ///< values of --gpus, as typed: "all", "0,1", "device=0,1"
  std::vector<std::string> devices;   ///< values of --device: CDI names, or nodes of /dev
  bool nvidia = false, rocm = false;  ///< --nv, --rocm: what is there, nothing is no error
};

struct GpuChoice {
  std::vector<std::string> names;    ///< qualified CDI names
  std::vector<std::string> nodes;    ///< plain nodes of /dev
  std::vector<std::string> env;      ///< that goes with it: "CUDA_VISIBLE_DEVICES=…"
  std::vector<std::string> reasons;  ///< for --explain
};

/// `variable` reads the caller's environment (Slurm's SLURM_JOB_GPUS, CUDA_VISIBLE_DEVICES, …).
Result<GpuChoice> choose_gpus(
    const GpuRequest& request, const host::Profile& host,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

}  // namespace flense::launch
