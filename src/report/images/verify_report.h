// The answer of a verification, as text and JSON (schema flense/verify/v1).
#pragma once

#include <string>

#include "report/format/style.h"
#include "text/json.h"
#include "verify/verify.h"

namespace flense::report {

struct Verification {
  std::string target, original;  ///< as opened
  std::string target_digest, original_digest;
  const verify::Answer& answer;
  const verify::Findings& findings;
};

/// "equal", "different" or "unknown".
std::string_view verify_result(const verify::Findings& findings);

/// At most `most` differences and unknowns each.
std::string verify_text(const Verification& verification, const Style& style, std::size_t most);
text::Json verify_json(const Verification& verification, std::size_t most);

}  // namespace flense::report
