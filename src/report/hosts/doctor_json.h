// A diagnosis as JSON, schema flense/doctor/v1.
#pragma once

#include <vector>

#include "doctor/messages.h"
#include "doctor/step.h"
#include "text/json.h"

namespace flense::report {

text::Json doctor_json(const doctor::Diagnosis& diagnosis);
/// What was recognised in a log, with no steps.
text::Json doctor_json(const std::vector<doctor::Recognised>& messages);

}  // namespace flense::report
