// What GPUs work with: RDMA cards, GPUDirect Storage, GDRCopy, NVSwitch, IMEX channels. Either
// added to the edits of a GPU, or as a kind of its own.
#pragma once

#include <set>
#include <string>

#include "cdi/generate/device_folder.h"
#include "cdi/generate/device_list.h"

namespace flense::cdi {

/// The nodes and files of one of them ("rdma", "imex:3"). A usage error for any other word; an
/// environment error when the machine has none, unless options.allow_missing.
Result<void> add_fabric(Discovery& discovery, const std::string& what, DeviceFolder& folder,
                        Edits& edits);

/// Devices of a kind of its own: `all`, and each IMEX channel by number.
Result<void> add_fabric_devices(Discovery& discovery, DeviceFolder& folder, DeviceList& devices);

}  // namespace flense::cdi
