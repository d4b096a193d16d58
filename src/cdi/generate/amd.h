// AMD's GPUs and their partitions: the nodes of the KFD topology joined with those of /dev/dri.
#pragma once

#include "cdi/generate/discovery.h"

namespace flense::cdi {

/// kind amd.com/gpu: by index as amd-ctk numbers them (host::amd_nodes), by UUID ("GPU-" and 16
/// digits of KFD's unique_id) and by PCI address, which name a card with all its partitions.
Result<void> generate_amd(Discovery& discovery, Spec& spec);

}  // namespace flense::cdi
