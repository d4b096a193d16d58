#include "knowledge/spelling.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/ascii.h"

namespace flense::knowledge {
namespace {

constexpr std::size_t kLongestWord = 64;

/// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, replace});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string plain_spelling(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (is_alphanumeric(c)) out.push_back(lower(c));
  return out;
}

std::vector<std::string> near_matches(std::string_view word,
                                      const std::vector<std::string>& candidates,
                                      std::size_t count) {
  const std::string_view typed = word.substr(0, kLongestWord);
  const std::size_t limit = std::max<std::size_t>(1, typed.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& candidate : candidates) {
    // Who types "rtx6000" may mean any product whose name contains it.
    const bool part = typed.size() >= 3 && candidate.find(typed) != std::string::npos;
    const std::size_t edits = edit_distance(typed, candidate);
    const std::size_t distance = part ? std::min<std::size_t>(1, edits) : edits;
    if (distance <= limit) near.emplace_back(distance, candidate);
  }
  std::ranges::stable_sort(near, {}, &std::pair<std::size_t, std::string>::first);
  std::vector<std::string> names;
  for (const auto& [distance, name] : near)
    if (names.size() < count && std::ranges::find(names, name) == names.end())
      names.push_back(name);
  return names;
}

}  // namespace flense::knowledge
