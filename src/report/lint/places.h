// Shared by the formats of lint's findings: where a finding is, in lines and columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lint/lint.h"

namespace flense::report {

struct LintPlace {
  const lint::SourceText* source = nullptr;  ///< null: the file is not part of the project
  bool whole_file = true;
  lint::Position begin, end;  ///< the end is after the last byte
};

LintPlace place_of(const lint::Project& project, const lint::Finding& finding);

/// Of each finding, in order: equal from run to run while the same thing is wrong in the same file,
/// wherever its line moves; no two are equal.
std::vector<std::string> lint_identities(const lint::Project& project,
                                         const std::vector<lint::Finding>& findings);

/// Text of an element or attribute of XML 1.0; characters that it cannot hold become '?'.
std::string xml_text(std::string_view text);

}  // namespace flense::report
