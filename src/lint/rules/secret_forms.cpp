#include "lint/rules/secret_forms.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool is_token_letter(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

bool is_filled_in(std::string_view low) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"example", "placeholder", "xxx", "...", "replace_me",
                                       "replace-me", "change-me", "changeme", "change_me", "your-",
                                       "your_"}),
      [&](std::string_view word) { return low.contains(word); });
}

const knowledge::SecretFormRow* token_in(std::string_view text,
                                         const knowledge::BuildFacts& facts) {
  for (const knowledge::SecretFormRow& row : facts.secret_forms) {
    for (std::size_t at = text.find(row.prefix); at != text.npos;
         at = text.find(row.prefix, at + 1)) {
      if (at > 0 && is_token_letter(text[at - 1])) continue;
      std::size_t end = at;
      while (end < text.size() && end - at < row.length && is_token_letter(text[end])) ++end;
      if (end - at < row.length) continue;
      while (end < text.size() && is_token_letter(text[end])) ++end;
      if (is_filled_in(to_lower(text.substr(at, end - at)))) continue;
      return &row;
    }
  }
  return nullptr;
}

}  // namespace flense::lint
