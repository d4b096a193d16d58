// Explanations of checks and errors as text for people.
#pragma once

#include <string>
#include <string_view>

#include "compat/explain.h"
#include "report/format/style.h"

namespace flense::report {

/// A title and labelled paragraphs, wrapped at 100 columns or the terminal's width.
std::string explanation_text(const compat::Explanation& explanation, const Style& style);

/// All checks that can be explained, one line each.
std::string check_list(const knowledge::Knowledge& tables);

/// One line for each rule of `flense lint`.
std::string rule_list(const knowledge::LintRules& rules);

}  // namespace flense::report
