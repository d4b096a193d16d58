// Text that others wrote - names in images, configurations, build files, arguments - made safe to
// show: terminals obey control characters, and characters that reorder or hide mislead readers.
#pragma once

#include <cstddef>
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

/// Columns that the UTF-8 text takes (one per code point; no wide characters in what we print).
std::size_t display_width(std::string_view text);

/// At most `width` columns: "abc…".
std::string shorten(std::string_view text, std::size_t width);
/// The same without half a word at its end, where a word ends in the second half of the width.
std::string shorten_words(std::string_view text, std::size_t width);
/// The same of a path: whole directories go first ("…/lib/x.so"), then the middle of the name
/// ("…/libcudnn_eng…mpiled.so.9").
std::string shorten_path(std::string_view text, std::size_t width);

/// Lines of more than `columns` (0: none) are broken at spaces and go on two columns further in
/// than they began. What `mark` opens, up to an "m", takes no room.
std::string wrapped(std::string_view text, std::size_t columns, std::string_view mark = {});

/// A shell command in a sentence: its first line, at most 72 columns of it, and "…" for more.
std::string brief_command(std::string_view command);

}  // namespace flense
