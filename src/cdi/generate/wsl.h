// WSL2: one paravirtual device, and a driver whose libraries Windows puts into the virtual machine.
#pragma once

#include "cdi/generate/discovery.h"

namespace flense::cdi {

Result<void> generate_wsl(Discovery& discovery, Spec& spec);

}  // namespace flense::cdi
