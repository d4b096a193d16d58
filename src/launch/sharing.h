// What the limits of a container do not limit, and what a job needs that shares a GPU with others
// through NVIDIA's multi-process service (MPS). Pure.
#pragma once

#include <string>
#include <vector>

#include "host/tree.h"
#include "launch/container/oci_config.h"

namespace flense::launch {

struct Sharing {
  bool limited = false;  ///< --memory
  bool daemon = false;   ///< the container is given the pipe directory of an MPS daemon
  bool own_ipc = false;  ///< it has an IPC namespace of its own
  bool mig = false;      ///< a slice of a GPU, whose memory the hardware divides
  bool thread_share = false, memory_share = false;  ///< CUDA_MPS_… limits of the client
};

/// `host`: the root of the machine, where the daemon's pipe has to be.
Sharing sharing_of(const OciInput& container, const host::Tree& host);

/// One sentence each, without full stop.
std::vector<std::string> sharing_notices(const Sharing& sharing);

}  // namespace flense::launch
