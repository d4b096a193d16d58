// The comparison of two images as a page: the tables of the text, in the style of the report. It
// has no script and loads nothing.
#pragma once

#include <string>

#include "report/images/diff_sections.h"

namespace flense::report {

/// `all`: no row is left out.
std::string diff_page(const ImageDiff& diff, bool all);

}  // namespace flense::report
