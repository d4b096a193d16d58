#include "text/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"

namespace flense::text {

namespace {

bool all_of_set(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

constexpr std::string_view kDigits = "0123456789";

/// [0-9]* ( . [0-9]* )? ( [eE] [-+]? [0-9]+ )? with at least one digit before the exponent.
bool is_decimal(std::string_view text) {
  const std::size_t exponent = text.find_first_of("eE");
  std::string_view mantissa = text.substr(0, exponent);
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (power.starts_with('+') || power.starts_with('-')) power.remove_prefix(1);
    if (!all_of_set(power, kDigits)) return false;
  }
  const std::size_t dot = mantissa.find('.');
  const std::string_view whole = mantissa.substr(0, dot);
  const std::string_view part =
      dot == std::string_view::npos ? std::string_view() : mantissa.substr(dot + 1);
  if (whole.empty() && part.empty()) return false;
  return (whole.empty() || all_of_set(whole, kDigits)) &&
         (part.empty() || all_of_set(part, kDigits));
}

std::optional<std::uint64_t> magnitude(std::string_view digits, int base) {
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

PlainScalar integer(std::string_view digits, int base, bool negative) {
  const std::optional<std::uint64_t> value = magnitude(digits, base);
  constexpr std::uint64_t kLowest = std::uint64_t{1} << 63;
  if (value && !negative) return {Json(*value)};
  // The magnitude of the smallest integer is one more than that of the largest.
  if (value && *value <= kLowest)
    return {Json(*value == kLowest ? INT64_MIN : -static_cast<std::int64_t>(*value))};
  if (base != 10) return {{}, true};
  double wide = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), wide);
  if (error != std::errc{} || end != digits.data() + digits.size()) return {{}, true};
  return {Json(negative ? -wide : wide)};
}

}  // namespace

std::optional<PlainScalar> plain_scalar(std::string_view text) {
  if (text.empty() || is_one_of(text, {"~", "null", "Null", "NULL"})) return PlainScalar{};
  if (is_one_of(text, {"true", "True", "TRUE"})) return PlainScalar{Json(true)};
  if (is_one_of(text, {"false", "False", "FALSE"})) return PlainScalar{Json(false)};
  if (text.starts_with("0o") && all_of_set(text.substr(2), "01234567"))
    return integer(text.substr(2), 8, false);
  if (text.starts_with("0x") && all_of_set(text.substr(2), "0123456789abcdefABCDEF"))
    return integer(text.substr(2), 16, false);
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.size() > 1 && digits.starts_with('0') && all_of_set(digits, "01234567"))
    return integer(digits, 8, negative);
  if (all_of_set(digits, kDigits)) return integer(digits, 10, negative);
  if (is_one_of(digits, {".inf", ".Inf", ".INF"}) || is_one_of(text, {".nan", ".NaN", ".NAN"}))
    return PlainScalar{{}, true};
  if (!is_decimal(digits)) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return PlainScalar{{}, true};
  return PlainScalar{Json(negative ? -value : value)};
}

bool is_ambiguous(std::string_view text) {
  if (plain_scalar(text)) return true;
  if (is_one_of(to_lower(text), {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}))
    return true;
  // Numbers of YAML 1.1: 1_000, 0b11, 190:20:30; dates.
  const char first = text.front();
  return is_digit(first) || first == '+' || first == '-' || first == '.';
}

}  // namespace flense::text
