// Where processes in the container talk to services of the host: the persistence daemon, the fabric
// manager, and the multi-process service with its pipe and log directories.
#pragma once

#include "cdi/generate/driver_root.h"

namespace flense::cdi {

void add_sockets(Discovery& discovery, const DriverRoot& root, Edits& edits);

}  // namespace flense::cdi
