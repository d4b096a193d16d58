#include "base/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/ascii.h"
#include "base/checked.h"

namespace flense {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 18> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"K", 1000},
                                          {"KB", 1000},
                                          {"M", 1000'000},
                                          {"MB", 1000'000},
                                          {"G", 1000'000'000},
                                          {"GB", 1000'000'000},
                                          {"T", 1000'000'000'000},
                                          {"TB", 1000'000'000'000},
                                          {"KIB", 1ull << 10},
                                          {"MIB", 1ull << 20},
                                          {"GIB", 1ull << 30},
                                          {"TIB", 1ull << 40},
                                          {"KI", 1ull << 10},
                                          {"MI", 1ull << 20},
                                          {"GI", 1ull << 30},
                                          {"TI", 1ull << 40}}};

auto not_a_size(std::string_view text) {
  return fail(Code::kUsage, "'{}' is not a size", text)
      .hint("write a number and a unit, such as 500MB, 1.5GB or 10GiB");
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  text = trim(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t whole = 0, numerator = 0, denominator = 1;
  std::size_t at = 0;
  const auto digit = [&](std::size_t i) { return i < text.size() && is_digit(text[i]); };
  if (!digit(0)) return not_a_size(text);
  for (; digit(at); ++at) {
    const auto scaled = checked_mul(whole, 10);
    const auto sum =
        scaled ? checked_add(*scaled, static_cast<std::uint64_t>(text[at] - '0')) : std::nullopt;
    if (!sum) return not_a_size(text);
    whole = *sum;
  }
  if (at < text.size() && text[at] == '.') {
    if (!digit(++at)) return not_a_size(text);
    for (; digit(at); ++at) {
      if (denominator >= 1'000'000) continue;  // finer than any unit needs
      numerator = numerator * 10 + static_cast<std::uint64_t>(text[at] - '0');
      denominator *= 10;
    }
  }
  while (at < text.size() && text[at] == ' ') ++at;
  const std::string unit = to_upper(text.substr(at));
  const auto* const found = std::ranges::find(kUnits, unit, &Unit::name);
  if (found == kUnits.end()) return not_a_size(text);
  const auto scaled = checked_mul(whole, found->factor);
  const auto fraction = checked_mul(numerator, found->factor);
  if (!scaled || !fraction) return not_a_size(text);
  const auto sum = checked_add(*scaled, *fraction / denominator);
  if (!sum) return not_a_size(text);
  return *sum;
}

}  // namespace flense
