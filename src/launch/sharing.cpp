#include "launch/sharing.h"

#include <algorithm>

#include "base/format.h"

namespace flense::launch {

namespace {

/// Where the daemon's pipes are in the container: under the default name, or what the variable
/// says.
std::string pipe_directory(const OciInput& container) {
  constexpr const char* kUsual = "/tmp/nvidia-mps";
  return container.env.get("CUDA_MPS_PIPE_DIRECTORY").value_or(kUsual);
}

bool has_control(const host::Tree& host, const std::string& directory) {
  return host.exists(directory.substr(directory.starts_with('/') ? 1 : 0) + "/control");
}

}  // namespace

Sharing sharing_of(const OciInput& container, const host::Tree& host) {
  Sharing out;
  out.limited = container.memory.has_value();
  out.own_ipc = std::ranges::find(container.namespaces, "ipc") != container.namespaces.end();
  const std::string pipe = pipe_directory(container);
  for (const cdi::Mount& mount : container.devices.mounts)
    if (mount.container_path == pipe) out.daemon |= has_control(host, mount.host_path);
  for (const OciMount& mount : container.mounts)
    if (mount.destination == pipe || pipe.starts_with(mount.destination + "/"))
      out.daemon |= mount.source.starts_with('/') &&
                    has_control(host, mount.source + pipe.substr(mount.destination.size()));
  for (const cdi::DeviceNode& node : container.devices.device_nodes)
    out.mig |= node.path.starts_with("/dev/nvidia-caps/");
  out.thread_share = container.env.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE").has_value();
  out.memory_share = container.env.get("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT").has_value();
  return out;
}

std::vector<std::string> sharing_notices(const Sharing& sharing) {
  std::vector<std::string> out;
  if (sharing.limited)
    out.emplace_back(
        sharing.mig
            ? "--memory limits the machine's memory, what /dev/shm holds included; the GPU's is "
              "limited by its MIG slice alone"
            : "--memory limits the machine's memory, what /dev/shm holds included, and nothing of "
              "the "
              "GPU's: a MIG slice or MPS divides that");
  if (!sharing.daemon) return out;
  if (sharing.own_ipc)
    out.emplace_back(
        "an MPS daemon serves this GPU, and --isolate gives the container an IPC namespace of its "
        "own: MPS documents the host's, so leave --isolate out where programs do not connect");
  if (!sharing.memory_share || !sharing.thread_share)
    out.push_back(fmt::format(
        "an MPS daemon serves this GPU, and the job may take all that others leave of its {}: {}",
        !sharing.memory_share && !sharing.thread_share ? "memory and processors"
        : sharing.memory_share                         ? "processors"
                                                       : "memory",
        !sharing.memory_share && !sharing.thread_share
            ? "-e CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=10G -e CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=50 "
              "limit it"
        : sharing.memory_share ? "-e CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=50 limits it"
                               : "-e CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=10G limits it"));
  return out;
}

}  // namespace flense::launch
