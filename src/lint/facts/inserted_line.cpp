#include "lint/facts/inserted_line.h"

#include <algorithm>

#include "lint/source/blanks.h"

namespace flense::lint {

std::optional<Edit> line_above(const SourceText& source, std::size_t place, std::string_view line) {
  constexpr std::size_t kDeepest = 200;
  const std::string_view text = source.text();
  const std::size_t begin = text.substr(0, place).rfind('\n') + 1;
  std::string before(text.substr(begin, place - begin));
  if (before.size() > kDeepest || before.find_first_not_of(" \t-") != before.npos)
    return std::nullopt;
  // "# flense ignore=…" counts for the line below, behind empty ones too.
  std::size_t first = begin;
  for (std::size_t at = begin; at > 0;) {
    at = at < 2 ? 0 : text.rfind('\n', at - 2) + 1;
    const std::string_view above = trim_space(text.substr(at, text.find('\n', at) - at));
    if (above.starts_with('#'))
      first = at;
    else if (!above.empty())
      break;
  }
  const std::string_view end = text.contains("\r\n") ? "\r\n" : "\n";
  if (first < begin) {
    if (before.contains('-')) return std::nullopt;
    return Edit{{first, first}, before.append(line).append(end)};
  }
  std::ranges::replace(before, '-', ' ');
  return Edit{{place, place}, std::string(line).append(end).append(before)};
}

}  // namespace flense::lint
