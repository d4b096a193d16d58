// What flense slim --variants wrote.
#pragma once

#include <string>
#include <vector>

#include "report/images/slim_report.h"
#include "slim/job/variants.h"

namespace flense::report {

struct SlimVariantsReport {
  std::string output;
  const image::Image& original;
  const slim::VariantsOutcome& written;
  std::vector<SlimReport> images;  ///< by variant
};

std::string slim_variants_text(const SlimVariantsReport& report, const SlimTextOptions& options);
/// Schema flense/slim-variants/v1 (docs/schemas/slim-variants-v1.json).
text::Json slim_variants_json(const SlimVariantsReport& report);

}  // namespace flense::report
