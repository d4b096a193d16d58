// UTF-8 as Unicode defines it: no overlong forms, no surrogates.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace flense {

/// Length of the well-formed sequence at the front of `text` (Unicode table 3-7), 0 if none; `text`
/// is not empty.
std::size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

/// A text of UTF-16 that begins with a byte order mark, without the mark; nullopt: it is none.
std::optional<std::string> from_utf16(std::string_view text);

}  // namespace flense
