// What flense fleet found in registries, and what it removed there.
#pragma once

#include <string>

#include "fleet/prune.h"
#include "fleet/survey.h"
#include "report/format/style.h"
#include "text/json.h"

namespace flense::report {

std::string fleet_status_text(const fleet::Survey& survey, const Style& style, bool quiet);
/// Schema flense/fleet-status/v1 (docs/schemas/fleet-status-v1.json).
text::Json fleet_status_json(const fleet::Survey& survey);

std::string fleet_prune_text(const fleet::PrunePlan& plan, bool done, const Style& style,
                             bool quiet);
/// Schema flense/fleet-prune/v1 (docs/schemas/fleet-prune-v1.json).
text::Json fleet_prune_json(const fleet::PrunePlan& plan, bool done);

}  // namespace flense::report
