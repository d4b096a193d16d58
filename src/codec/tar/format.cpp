#include "codec/tar/format.h"

#include <algorithm>
#include <charconv>

namespace flense::codec::tar {

std::string_view text_field(Bytes block, Field field) {
  std::string_view text = as_text(block.subspan(field.offset, field.size));
  return text.substr(0, text.find('\0'));
}

std::optional<std::int64_t> number_field(Bytes block, Field field) {
  const Bytes raw = block.subspan(field.offset, field.size);
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(raw[i]); };
  if ((byte(0) & 0x80U) != 0) {
    // Base-256, two's complement, big endian. Only 63 bits can mean anything here.
    const bool negative = (byte(0) & 0x40U) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const unsigned digit = i == 0 ? (negative ? byte(0) | 0x80U : byte(0) & 0x7fU) : byte(i);
      const std::uint64_t top = value >> 55;
      if (top != (negative ? 0x1ffU : 0U)) return std::nullopt;
      value = (value << 8) | digit;
    }
    return static_cast<std::int64_t>(value);
  }
  std::size_t i = 0;
  while (i < raw.size() && byte(i) == ' ') ++i;
  std::uint64_t value = 0;
  for (; i < raw.size(); ++i) {
    if (byte(i) == 0 || byte(i) == ' ') break;
    if (byte(i) < '0' || byte(i) > '7' || value >> 59 != 0) return std::nullopt;
    value = value * 8 + (byte(i) - '0');
  }
  return static_cast<std::int64_t>(value);
}

bool checksum_matches(Bytes block) {
  const auto stored = number_field(block, kChecksum);
  if (!stored) return false;
  // The checksum field itself counts as blanks.
  const auto sum = [&](auto as_number) {
    std::int64_t total = 0;
    for (const std::byte b : block) total += as_number(b);
    for (const std::byte b : block.subspan(kChecksum.offset, kChecksum.size))
      total += ' ' - as_number(b);
    return total;
  };
  if (*stored == sum([](std::byte b) { return std::to_integer<int>(b); })) return true;
  return *stored == sum([](std::byte b) { return int{std::to_integer<signed char>(b)}; });
}

bool is_zero_block(Bytes block) {
  return std::ranges::none_of(block, [](std::byte b) { return b != std::byte{0}; });
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Result<std::map<std::string, std::string>> parse_pax(Bytes data) {
  std::map<std::string, std::string> out;
  std::string_view rest = as_text(data);
  while (!rest.empty()) {
    // Some writers pad the record area with NUL bytes.
    if (rest.front() == '\0') break;
    const std::size_t blank = rest.find(' ');
    if (blank == std::string_view::npos || blank > 20)
      return bad_input("a PAX record has no length");
    const auto length = parse_decimal(rest.substr(0, blank));
    if (!length || *length <= blank + 2 || *length > rest.size())
      return bad_input("a PAX record claims the length {}", rest.substr(0, blank));
    const std::string_view record = rest.substr(blank + 1, *length - blank - 1);
    if (record.back() != '\n') return bad_input("a PAX record does not end with a newline");
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return bad_input("a PAX record has no key");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1, record.size() - equals - 2);
    // Sparse format 0.0 repeats these two keys; joined they form the map of format 0.1.
    if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
      std::string& map = out["GNU.sparse.map"];
      if (!map.empty()) map += ',';
      map += value;
    } else {
      out[std::string(key)] = std::string(value);
    }
    rest.remove_prefix(*length);
  }
  return out;
}

std::string format_pax(const std::map<std::string, std::string>& records) {
  std::string out;
  for (const auto& [key, value] : records) {
    // The length counts its own digits: grow until it is stable.
    const std::size_t body = key.size() + value.size() + 3;
    std::size_t length = body + 1;
    while (body + std::to_string(length).size() != length)
      length = body + std::to_string(length).size();
    out += fmt::format("{} {}={}\n", length, key, value);
  }
  return out;
}

std::optional<std::pair<std::int64_t, std::uint32_t>> parse_pax_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t dot = text.find('.');
  const auto whole = parse_decimal(text.substr(0, dot));
  const std::uint64_t most = static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (!whole || *whole > most) return std::nullopt;
  std::uint32_t nanos = 0;
  if (dot != std::string_view::npos) {
    std::string digits(text.substr(dot + 1, 9));
    digits.resize(9, '0');
    const auto fraction = parse_decimal(digits);
    if (!fraction) return std::nullopt;
    nanos = static_cast<std::uint32_t>(*fraction);
  }
  auto seconds = static_cast<std::int64_t>(negative ? ~*whole + 1 : *whole);
  if (negative) {
    if (nanos > 0) {
      if (*whole == most) return std::nullopt;
      // -1.25 is one quarter before -1: seconds -2, nanoseconds 750,000,000.
      --seconds;
      nanos = 1'000'000'000 - nanos;
    }
  }
  return std::pair(seconds, nanos);
}

}  // namespace flense::codec::tar
