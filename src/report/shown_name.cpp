#include "report/shown_name.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/format.h"

namespace flense::report {

namespace {

struct Decoded {
  std::uint32_t point = 0;
  std::size_t size = 0;  ///< 0: no UTF-8 here
};

/// RFC 3629: no overlong forms, no surrogates, at most U+10FFFF.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  std::uint32_t point = first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return {};
    point = (point << 6) | (byte(i) & 0x3fu);
  }
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return {};
  return {point, size};
}

/// Format characters, separators of lines, tags and the like, as ranges of code points.
constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 13> kHiding = {{
    {0xad, 0xad},
    {0x61c, 0x61c},
    {0x115f, 0x1160},
    {0x180e, 0x180e},
    {0x200b, 0x200f},
    {0x2028, 0x202e},
    {0x2060, 0x206f},
    {0x3164, 0x3164},
    {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff},
    {0xffa0, 0xffa0},
    {0xfff9, 0xfffb},
    {0xe0000, 0xe0fff},
}};

bool hides(std::uint32_t point) {
  return std::ranges::any_of(kHiding, [point](const auto& range) {
    return point >= range.first && point <= range.second;
  });
}

}  // namespace

std::string shown_name(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  while (!name.empty()) {
    const Decoded one = decode(name);
    const std::size_t size = std::max<std::size_t>(one.size, 1);
    if (one.size == 0 || one.point < 0x20 || (one.point >= 0x7f && one.point < 0xa0)) {
      for (const char c : name.substr(0, size))
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else if (hides(one.point)) {
      out += fmt::format("\\u{:04x}", one.point);
    } else {
      out += name.substr(0, size);
    }
    name.remove_prefix(size);
  }
  return out;
}

}  // namespace flense::report
