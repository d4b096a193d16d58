// The requirements sheet of an image: for people, for programs (schema flense/requirements/v1,
// docs/schemas/requirements-v1.json), and as labels that travel with the image.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "compat/requirements.h"
#include "report/format/style.h"
#include "text/json.h"

namespace flense::report {

inline constexpr const char* kRequirementsSchema = "flense/requirements/v1";

struct RequirementsTextOptions {
  Style style;
  bool all = false;  ///< the libraries behind each line, and every piece of evidence
};

std::string requirements_text(const compat::Requirements& needs,
                              const RequirementsTextOptions& options);

text::Json requirements_json(const compat::Requirements& needs);

/// OCI image labels, key and value; what is unknown is left out. Values hold no blanks.
std::vector<std::pair<std::string, std::string>> requirements_labels(
    const compat::Requirements& needs);

}  // namespace flense::report
