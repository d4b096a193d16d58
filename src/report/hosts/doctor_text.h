// A diagnosis for people: one line a step, then the first broken step on its own.
#pragma once

#include <string>
#include <vector>

#include "doctor/messages.h"
#include "doctor/step.h"
#include "report/format/style.h"

namespace flense::report {

struct DoctorTextOptions {
  Style style;
  bool quiet = false;    ///< the answer only
  bool verbose = false;  ///< skipped steps, and what each step looked at
};

std::string doctor_text(const doctor::Diagnosis& diagnosis, const DoctorTextOptions& options);
std::string messages_text(const std::vector<doctor::Recognised>& messages,
                          const DoctorTextOptions& options);

}  // namespace flense::report
