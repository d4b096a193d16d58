#include "base/printable.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"

namespace flense {

namespace {

/// C1 controls, separators of lines, and Unicode's Default_Ignorable_Code_Point.
constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 18> kHiding = {{
    {0x80, 0x9f},
    {0xad, 0xad},
    {0x34f, 0x34f},
    {0x61c, 0x61c},
    {0x115f, 0x1160},
    {0x17b4, 0x17b5},
    {0x180b, 0x180f},
    {0x200b, 0x200f},
    {0x2028, 0x202e},
    {0x2060, 0x206f},
    {0x3164, 0x3164},
    {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff},
    {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},
    {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
}};

bool hides(std::uint32_t point) {
  return std::ranges::any_of(kHiding, [point](const auto& range) {
    return point >= range.first && point <= range.second;
  });
}

/// Of one well-formed sequence of two bytes or more.
std::uint32_t point_of(std::string_view sequence) {
  std::uint32_t point = static_cast<unsigned char>(sequence.front()) & (0x7fU >> sequence.size());
  for (const char c : sequence.substr(1))
    point = point << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return point;
}

void append_escaped(std::string& out, std::uint32_t point) {
  if (point < 0x10000) {
    out += fmt::format("\\u{:04x}", point);
  } else {
    point -= 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
  }
}

std::string escaped(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto plain = std::ranges::find_if_not(text, [&](char c) {
      return (c >= 0x20 && c < 0x7f) || kept.find(c) != std::string_view::npos;
    });
    out.append(text.begin(), plain);
    text.remove_prefix(static_cast<std::size_t>(plain - text.begin()));
    if (text.empty()) break;
    const std::size_t length = utf8_length(text);
    const std::string_view sequence = text.substr(0, std::max<std::size_t>(length, 1));
    if (length < 2) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(sequence.front()));
    } else if (const std::uint32_t point = point_of(sequence); hides(point)) {
      append_escaped(out, point);
    } else {
      out += sequence;
    }
    text.remove_prefix(sequence.size());
  }
  return out;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, {});
}

std::string printable_lines(std::string_view text) {
  return escaped(text, "\n\t");
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string shorten(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t at = 0, columns = 0;
  while (at < text.size() && (columns + 1 < width || is_continuation(text[at]))) {
    if (!is_continuation(text[at])) ++columns;
    ++at;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string brief_command(std::string_view command) {
  constexpr std::size_t kMost = 72;
  const std::string_view line = command.substr(0, command.find('\n'));
  const std::string text = shorten(printable(line), kMost);
  return line.size() == command.size() || text.ends_with("…") ? text : text + "…";
}

std::string shorten_words(std::string_view text, std::size_t width) {
  std::string out = shorten(text, width);
  if (out.size() == text.size()) return out;
  const std::size_t space = out.rfind(' ');
  if (space == std::string::npos || display_width(out.substr(0, space)) < width / 2) return out;
  out.resize(out.find_last_not_of(' ', space) + 1);
  return out + " …";
}

namespace {

/// The last `width` columns.
std::string_view tail(std::string_view text, std::size_t width) {
  std::size_t at = text.size();
  while (at > 0 && width > 0)
    if (!is_continuation(text[--at])) --width;
  return text.substr(at);
}

/// A name with its beginning and its ending.
std::string shorten_name(std::string_view name, std::size_t width) {
  if (display_width(name) <= width) return std::string(name);
  const std::size_t kept = width / 3;
  return shorten(name, width - kept) + std::string(tail(name, kept));
}

}  // namespace

std::string shorten_path(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  constexpr std::string_view kCut = "…";
  for (std::size_t at = text.find('/', 1); at != std::string_view::npos;
       at = text.find('/', at + 1))
    if (display_width(text.substr(at)) + 1 <= width) return std::string(kCut) += text.substr(at);
  const std::size_t name = text.rfind('/');
  constexpr std::size_t kRoomForBoth = 16;
  if (name == std::string_view::npos || width < kRoomForBoth)
    return shorten_name(text.substr(name == std::string_view::npos ? 0 : name + 1), width);
  return fmt::format("{}/{}", kCut, shorten_name(text.substr(name + 1), width - 2));
}

namespace {

/// Columns of a word, and how many of its bytes a mark with its colour takes.
std::size_t word_width(std::string_view word, std::string_view mark) {
  std::size_t out = 0;
  while (!word.empty()) {
    const std::size_t at = mark.empty() ? std::string_view::npos : word.find(mark);
    out += display_width(word.substr(0, at));
    if (at == std::string_view::npos) break;
    const std::size_t end = word.find('m', at + mark.size());
    word.remove_prefix(end == std::string_view::npos ? word.size() : end + 1);
  }
  return out;
}

std::string wrapped_line(std::string_view line, std::size_t columns, std::string_view mark) {
  if (word_width(line, mark) <= columns) return std::string(line);
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::string indent(std::min(begin + 2, columns / 2), ' ');
  std::string out(line.substr(0, begin));
  std::size_t column = begin;
  bool first = true;
  line.remove_prefix(begin);
  while (!line.empty()) {
    const std::size_t blanks = std::min(line.find_first_not_of(' '), line.size());
    const std::string_view word = line.substr(blanks, line.find(' ', blanks) - blanks);
    const std::size_t width = word_width(word, mark);
    if (!first && column + blanks + width > columns) {
      out += '\n' + indent;
      column = indent.size();
    } else {
      out.append(blanks, ' ');
      column += blanks;
    }
    out += word;
    column += width;
    first = false;
    line.remove_prefix(blanks + word.size());
  }
  return out;
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t columns, std::string_view mark) {
  if (columns == 0) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out += wrapped_line(text.substr(0, end), columns, mark);
    if (end == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace flense
