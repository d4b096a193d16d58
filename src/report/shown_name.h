// Names as an image has them, any bytes at all, as text that shows what they are.
#pragma once

#include <string>
#include <string_view>

namespace flense::report {

/// Valid UTF-8 on one line. Bytes that are none and control characters become "\x1b", characters
/// that reorder or hide text (Unicode TR36: bidirectional controls, zero width) become "\u202e".
std::string shown_name(std::string_view name);

}  // namespace flense::report
