// Machines side by side: a table of what differs, and JSON (schema flense/fleet/v1,
// docs/schemas/fleet-v1.json).
#pragma once

#include <span>
#include <string>

#include "host/fleet.h"
#include "report/format/style.h"
#include "text/json.h"

namespace flense::report {

inline constexpr const char* kFleetSchema = "flense/fleet/v1";

/// `fleet` is the comparison of `hosts`.
std::string fleet_text(std::span<const host::Profile> hosts, const host::Fleet& fleet,
                       const Style& style);
text::Json fleet_json(std::span<const host::Profile> hosts, const host::Fleet& fleet);

}  // namespace flense::report
