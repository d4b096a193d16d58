// White space in UTF-8 as Go's unicode.IsSpace and strings.TrimSpace define it, and the parts of
// paths and names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/ascii.h"

namespace flense::lint {

inline bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Bytes of the white space that begins at `at`; 0 for another character.
inline std::size_t space_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  if (is_blank(text[at])) return 1;
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at), second = byte(at + 1), third = byte(at + 2);
  if (first < 0xc2) return 0;
  if (first == 0xc2) return second == 0x85 || second == 0xa0 ? 2 : 0;
  if (first == 0xe1) return second == 0x9a && third == 0x80 ? 3 : 0;
  if (first == 0xe3) return second == 0x80 && third == 0x80 ? 3 : 0;
  if (first != 0xe2) return 0;
  if (second == 0x80)
    return (third >= 0x80 && third <= 0x8a) || third == 0xa8 || third == 0xa9 || third == 0xaf ? 3
                                                                                               : 0;
  return second == 0x81 && third == 0x9f ? 3 : 0;
}

inline std::string_view trim_space_left(std::string_view text) {
  while (const std::size_t width = space_at(text, 0)) text.remove_prefix(width);
  return text;
}

inline std::string_view trim_space(std::string_view text) {
  text = trim_space_left(text);
  while (!text.empty()) {
    std::size_t width = 1;
    while (width <= 3 && width <= text.size() && space_at(text, text.size() - width) != width)
      ++width;
    if (width > 3 || width > text.size()) break;
    text.remove_suffix(width);
  }
  return text;
}

inline bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}
/// The last component of a path as people write it, which may end in slashes.
inline std::string_view file_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

/// What any of the separators divides; parts may be empty.
inline std::vector<std::string_view> parts_of(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t end = text.find_first_of(separators);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

/// Whether a text, in lower case, has these words, with no letter or digit at either side.
inline bool has_words(std::string_view text, std::string_view words) {
  for (std::size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) {
    const std::size_t end = at + words.size();
    if ((at == 0 || !is_alphanumeric(text[at - 1])) &&
        (end == text.size() || !is_alphanumeric(text[end])))
      return true;
  }
  return false;
}

/// Whether a part of a path or name is, in any case, one of `words`, which are in lower case.
inline bool has_part(std::string_view text, std::string_view separators,
                     std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(parts_of(text, separators), [&](std::string_view part) {
    return std::ranges::any_of(words, [&](std::string_view word) { return same_text(part, word); });
  });
}
}  // namespace flense::lint
