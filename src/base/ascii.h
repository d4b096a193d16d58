// Letters and digits of ASCII, whatever the locale, and what texts of them begin and end with.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace flense {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool starts_with_any(std::string_view text,
                               std::initializer_list<std::string_view> beginnings) {
  return std::ranges::any_of(beginnings,
                             [&](std::string_view one) { return text.starts_with(one); });
}

constexpr bool ends_with_any(std::string_view text,
                             std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings, [&](std::string_view one) { return text.ends_with(one); });
}

}  // namespace flense
