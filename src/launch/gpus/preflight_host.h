// What a verdict depends on in the machine, read in a fraction of a millisecond.
#pragma once

#include <string>

#include "host/profile.h"
#include "host/tree.h"

namespace flense::launch {

/// Changes with the boot, the drivers, the GPUs and their MIG instances, the device nodes and
/// libcuda: 64 hexadecimal digits. Nothing is parsed.
std::string host_fingerprint(const host::Machine& machine);

/// What choosing GPUs needs of a profile, without the engines, libraries and cards of the rest.
host::Profile probe_gpus(const host::Machine& machine);

}  // namespace flense::launch
