#include "report/hosts/names.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/format.h"
#include "base/printable.h"
#include "report/format/style.h"

namespace flense::report {

namespace {

constexpr std::size_t kMostColumns = 80;

/// "gpu-" 017 ".site" of "gpu-017.site".
struct NumberedName {
  std::string prefix, suffix;
  std::string digits;  ///< empty: no number to fold by
};

NumberedName split(const std::string& name) {
  constexpr std::size_t kMostDigits = 9;
  const std::string_view first = std::string_view(name).substr(0, name.find('.'));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t end = first.size();
  while (end > 0 && !is_digit(first[end - 1])) --end;
  std::size_t start = end;
  while (start > 0 && is_digit(first[start - 1])) --start;
  if (start == end || end - start > kMostDigits) return {name, {}, {}};
  return {name.substr(0, start), name.substr(end), name.substr(start, end - start)};
}

std::uint64_t number_of(const std::string& digits) {
  std::uint64_t out = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

/// Numbers that are written with leading zeros run on only within one width.
std::string ranges(std::vector<std::string> numbers) {
  const bool padded = std::ranges::any_of(
      numbers, [](const std::string& digits) { return digits.size() > 1 && digits[0] == '0'; });
  std::ranges::sort(numbers, [](const std::string& left, const std::string& right) {
    return std::pair(left.size(), left) < std::pair(right.size(), right);
  });
  std::string out;
  for (std::size_t first = 0; first < numbers.size();) {
    std::size_t last = first;
    while (last + 1 < numbers.size() &&
           number_of(numbers[last + 1]) == number_of(numbers[last]) + 1 &&
           (!padded || numbers[last + 1].size() == numbers[last].size()))
      ++last;
    if (!out.empty()) out += ',';
    out += numbers[first];
    if (last > first) out += (last == first + 1 ? "," : "-") + numbers[last];
    first = last + 1;
  }
  return out;
}

}  // namespace

std::string printable_name(std::string_view name) {
  return name.empty() ? "(no name)" : shorten(printable(name), kMostColumns);
}

std::string folded_names(const std::vector<std::string>& names, std::size_t most) {
  // In the order in which each kind first appeared.
  std::vector<std::pair<NumberedName, std::vector<std::string>>> kinds;
  std::map<std::pair<std::string, std::string>, std::size_t> places;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) continue;
    NumberedName parts = split(name);
    // A name without a number is a kind of its own.
    const auto [at, fresh] = places.try_emplace({parts.prefix, parts.suffix}, kinds.size());
    std::string digits = parts.digits;
    if (fresh) kinds.push_back({std::move(parts), {}});
    kinds[at->second].second.push_back(std::move(digits));
  }
  std::string out;
  std::size_t shown = 0, hidden = 0;
  for (auto& [parts, numbers] : kinds) {
    // "gpu" beside "gpu1": the one without a number has empty digits.
    const auto plain = std::ranges::find(numbers, std::string());
    const bool has_plain = plain != numbers.end();
    if (has_plain) numbers.erase(plain);
    const auto add = [&](const std::string& piece, std::size_t count) {
      if (shown == most) {
        hidden += count;
        return;
      }
      out += (shown++ == 0 ? "" : ", ") + piece;
    };
    if (has_plain) add(printable_name(parts.prefix + parts.suffix), 1);
    if (numbers.empty()) continue;
    if (numbers.size() == 1) {
      add(printable_name(parts.prefix + numbers[0] + parts.suffix), 1);
      continue;
    }
    add(fmt::format("{}[{}]{}", shorten(printable(parts.prefix), kMostColumns),
                    shorten(ranges(numbers), kMostColumns),
                    shorten(printable(parts.suffix), kMostColumns)),
        numbers.size());
  }
  if (hidden > 0) out += fmt::format(" and {} more", grouped(hidden));
  return out;
}

}  // namespace flense::report
