// The device-code matrix: file by architecture.
#pragma once

#include <string>
#include <string_view>

#include "inventory/describe/inventory.h"
#include "report/format/style.h"

namespace flense::report {

/// What device code is called: "sm_90a"; "ptx_90" for PTX of compute_90; "gfx942".
std::string code_name(std::string_view vendor, std::string_view kind, std::string_view arch);

/// At most `limit` files (0: all) and a line of totals. The heaviest architectures that fit get a
/// column, the rest is summed under "others"; where not even two fit, each file gets a list of its
/// architectures.
std::string device_matrix(const inventory::DeviceCode& code, std::size_t limit, const Style& style);

}  // namespace flense::report
