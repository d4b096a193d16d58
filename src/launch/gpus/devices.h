// From the values of --gpus, --nv, --rocm and --device to what is merged into a container's
// configuration: GPUs chosen, their edits from a specification of this machine or one generated
// now, libraries chosen to fit the image.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cdi/spec/spec.h"
#include "host/tree.h"
#include "launch/gpus/request.h"
#include "launch/rootfs/store.h"

namespace flense::launch {

struct GpuInput {
  const GpuRequest& request;
  const host::Machine& machine;
  std::function<std::optional<std::string>(std::string_view)> variable;  ///< of the host
  std::vector<std::filesystem::path> cdi_directories;                    ///< least precedence first
  std::set<std::string> with;                                            ///< "rdma"
  const RootFs& root;
  std::filesystem::path prepared;  ///< directory for prepared libraries, ours
  std::string library_path;        ///< LD_LIBRARY_PATH as the container will have it
  /// Asked with the qualified names before anything is prepared for them; true when the image's
  /// compat libraries serve. May be empty.
  std::function<Result<bool>(const std::vector<std::string>&)> preflight;
};

struct GpuDevices {
  cdi::Edits edits;
  std::vector<std::string> reasons, notices;
  UniqueFd held;  ///< Injection::held
};

Result<GpuDevices> plan_devices(const GpuInput& input);

}  // namespace flense::launch
