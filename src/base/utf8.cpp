#include "base/utf8.h"

#include <cstdint>

namespace flense {

std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

namespace {

void append_utf8(std::uint32_t code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  const unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr unsigned kFirst[] = {0, 0xC0, 0xE0, 0xF0};
  out.push_back(static_cast<char>(kFirst[more] | (code >> (6 * more))));
  for (unsigned left = more; left-- > 0;)
    out.push_back(static_cast<char>(0x80 | ((code >> (6 * left)) & 0x3F)));
}

}  // namespace

std::optional<std::string> from_utf16(std::string_view text) {
  const bool little = text.starts_with("\xFF\xFE");
  if ((!little && !text.starts_with("\xFE\xFF")) || text.size() % 2 != 0) return std::nullopt;
  const auto unit = [&](std::size_t at) -> std::uint32_t {
    const std::uint32_t first = static_cast<unsigned char>(text[at]),
                        second = static_cast<unsigned char>(text[at + 1]);
    return little ? first | (second << 8U) : second | (first << 8U);
  };
  const auto is_half = [](std::uint32_t code, std::uint32_t from) {
    return code >= from && code < from + 0x400;
  };
  std::string out;
  for (std::size_t at = 2; at < text.size(); at += 2) {
    std::uint32_t code = unit(at);
    if (is_half(code, 0xD800) && at + 2 < text.size() && is_half(unit(at + 2), 0xDC00)) {
      code = 0x10000 + ((code - 0xD800) << 10U) + (unit(at + 2) - 0xDC00);
      at += 2;
    } else if (is_half(code, 0xD800) || is_half(code, 0xDC00)) {
      return std::nullopt;
    }
    append_utf8(code, out);
  }
  return out;
}

}  // namespace flense
