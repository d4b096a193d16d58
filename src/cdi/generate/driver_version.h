// The driver's version: that of the kernel module, which the libraries must match.
#pragma once

#include <string>

#include "cdi/generate/driver_root.h"

namespace flense::cdi {

/// An environment error without a driver, and where module and libraries are of two versions
/// (unless options.allow_missing: then that of the libraries).
Result<std::string> driver_version(Discovery& discovery, const DriverRoot& root);

}  // namespace flense::cdi
