// Words of an instruction's line: leading flags, words split at blanks or by quotes, JSON arrays.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/dockerfile/lines.h"

namespace flense::lint {

/// A part of LogicalLine::text.
struct Range {
  std::size_t begin = 0, end = 0;

  bool empty() const { return begin >= end; }
};

/// Without the blanks at both ends.
Range trimmed(std::string_view text, Range range);

/// The first word of `range`, which is removed from it.
Range take_word(std::string_view text, Range& range);

/// The leading flags, which are removed from `range`.
std::vector<Flag> take_flags(const LogicalLine& line, Range& range, char escape);

/// Split at blanks alone.
std::vector<Range> split_blank(std::string_view text, Range range);

/// Split at blanks outside quotes; quotes and escapes are kept, an escape at the end is not.
std::vector<Range> split_quoted(std::string_view text, Range range, char escape);

struct JsonArray {
  std::vector<Word> words;
  bool strings_only = true;
};
/// nullopt where the text is no JSON array, and so the shell form.
std::optional<JsonArray> read_json_array(const LogicalLine& line, Range range);

}  // namespace flense::lint
