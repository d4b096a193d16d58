// The display and render nodes of a GPU, found by the GPU's PCI address.
#pragma once

#include <string>
#include <string_view>

#include "cdi/generate/device_folder.h"

namespace flense::cdi {

struct DrmNodes {
  std::string card, render;  ///< "card0", "renderD128"; empty where there is none
};

/// Of a directory below /sys: "bus/pci/devices/0000:17:00.0", "devices/platform/amdgpu_xcp_0".
DrmNodes drm_nodes(const host::Tree& sys, std::string_view device);

/// Adds them as /dev/dri/NAME and /dev/dri/by-path/BUS-{card,render} (`bus`: "pci-0000:17:00.0"):
/// as nodes, since a link needs a hook. False when /dev has none of them.
bool add_drm(const DrmNodes& nodes, std::string_view bus, DeviceFolder& folder, Edits& edits);

}  // namespace flense::cdi
