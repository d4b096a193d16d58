// Findings as text and JSON.
#pragma once

#include <string>

#include "inventory/describe/finding.h"
#include "report/format/style.h"
#include "text/json.h"

namespace flense::report {

std::string findings_text(const inventory::Finding& finding, const Style& style);
text::Json finding_json(const inventory::Finding& finding);

}  // namespace flense::report
