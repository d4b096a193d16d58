#include "knowledge/table_rows.h"

#include <algorithm>

#include "base/version_numbers.h"
#include "knowledge/drivers.h"

namespace flense::knowledge {

std::string text_at(const text::Json& row, std::string_view key) {
  return std::string(row[key].text());
}

std::vector<std::string> texts_at(const text::Json& row, std::string_view key) {
  std::vector<std::string> out;
  for (const text::Json& item : row[key].items())
    if (item.is_string()) out.emplace_back(item.text());
  return out;
}

void TableRows::each(const std::function<void(const text::Json& row)>& take) const {
  for (const text::Json& row : json_["rows"].items()) take(row);
}

const text::Json& TableRows::fact(const text::Json& row, std::string_view key) const {
  const text::Json* own = row.find(key);
  return own != nullptr ? *own : json_[key];
}

std::string TableRows::confidence(const text::Json& row) const {
  return std::string(fact(row, "confidence").text());
}

std::string TableRows::source(const text::Json& row, std::string_view name) const {
  return row_source(tables_, table_, section_, name, row);
}

bool within(std::string_view version, std::string_view from, std::string_view to) {
  if (version.empty()) return false;
  if (!from.empty() && !version_at_least(version, from)) return false;
  if (to.empty()) return true;
  std::size_t numbers = 1 + static_cast<std::size_t>(std::ranges::count(to, '.'));
  std::size_t end = 0;
  while (end < version.size() && (version[end] != '.' || --numbers > 0)) ++end;
  return compare_versions(version.substr(0, end), to) <= 0;
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // Greedy with one place to come back to, so that no pattern costs more than pattern × text.
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  // Where the pattern behind the star may begin, from a place of the text on.
  const auto next = [&](std::size_t from) {
    const bool any = star + 1 == pattern.size() || pattern[star + 1] == '*';
    return any ? from : std::min(text.find(pattern[star + 1], from), text.size());
  };
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      t = mark = next(t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = mark = next(mark + 1);
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace flense::knowledge
