// The record that slim leaves beside its output: from what, by which rules, to what.
#pragma once

#include <string>

#include "slim/apply/apply_image.h"
#include "slim/plan/labels.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"
#include "text/json.h"

namespace flense::slim {

/// Schema flense/provenance/v1 (docs/schemas/provenance-v1.json). `output` as the user named it.
text::Json provenance(const Plan& plan, const SlimOptions& options, const SlimOutcome& outcome,
                      const std::string& output, const DriverFloor& floor);

}  // namespace flense::slim
