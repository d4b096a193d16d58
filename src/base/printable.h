// Text that others wrote - names in images, configurations, build files, arguments - made safe to
// show: terminals obey control characters, and characters that reorder or hide mislead readers.
#pragma once

#include <string>
#include <string_view>

namespace flense {

/// Valid UTF-8 on one line. Control characters and bytes that are no UTF-8 become "\x1b", C1
/// controls and characters that reorder, break or hide text (Unicode TR36: bidirectional controls,
/// separators, zero width) "\u202e", beyond U+FFFF as two surrogates: what JSON may hold stays the
/// same JSON. All else stays, backslashes too, so that a second time changes nothing.
std::string printable(std::string_view text);

/// The same, but newlines and tabs stay.
std::string printable_lines(std::string_view text);

}  // namespace flense
