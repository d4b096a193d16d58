// What a driver brings besides libraries: configuration files, programs, firmware, and X server
// modules. All of it is optional.
#pragma once

#include <string_view>

#include "cdi/generate/driver_root.h"

namespace flense::cdi {

void add_configuration(const Discovery& discovery, const DriverRoot& root, Edits& edits);
/// Those below the driver's root only: a program of the host that runs us is not the driver's.
void add_programs(const Discovery& discovery, const DriverRoot& root, Edits& edits);
/// gsp*.bin of this version, where the kernel looks for firmware.
void add_firmware(const Discovery& discovery, const DriverRoot& root, std::string_view version,
                  Edits& edits);
void add_x_modules(const Discovery& discovery, const DriverRoot& root, std::string_view version,
                   Edits& edits);

}  // namespace flense::cdi
