// NVIDIA's GPUs and MIG instances as devices, and the control nodes that every container needs.
#pragma once

#include "cdi/generate/device_folder.h"
#include "cdi/generate/device_list.h"

namespace flense::cdi {

/// By index in the order of the bus, by UUID, by PCI address. The instances of a GPU stand for it,
/// as GPU:INSTANCE and by UUID. An environment error when there is no GPU, or a node is missing.
Result<void> add_nvidia_devices(Discovery& discovery, DeviceFolder& folder, DeviceList& devices);

/// nvidiactl, nvidia-uvm and nvidia-modeset, as the capabilities need them.
Result<void> add_control_nodes(Discovery& discovery, DeviceFolder& folder, Edits& edits);

}  // namespace flense::cdi
