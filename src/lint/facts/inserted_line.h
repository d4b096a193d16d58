// A whole line that a fix puts into a file.
#pragma once

#include <optional>
#include <string_view>

#include "lint/source/finding.h"

namespace flense::lint {

/// A line in front of the one that begins at `place`, and of the comments that belong to it.
/// Nullopt: more than blanks and the dash of a list stands before the place in its line, or a
/// comment belongs to the dash.
std::optional<Edit> line_above(const SourceText& source, std::size_t place, std::string_view line);

}  // namespace flense::lint
