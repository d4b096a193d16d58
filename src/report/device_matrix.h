// The device-code matrix: file by architecture.
#pragma once

#include <string>

#include "inventory/inventory.h"
#include "report/style.h"

namespace flense::report {

/// At most `limit` files (0: all) and a line of totals. Falls back to a list of architectures per
/// file where the terminal is too narrow for columns.
std::string device_matrix(const inventory::DeviceCode& code, std::size_t limit, const Style& style);

}  // namespace flense::report
