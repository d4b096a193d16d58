#include "report/format/style.h"

#include <algorithm>

#include "base/format.h"
#include "base/printable.h"

namespace flense::report {

namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

std::string_view escape_code(Ink ink) {
  switch (ink) {
    case Ink::kPlain:
      return "";
    case Ink::kBold:
      return "1";
    case Ink::kDim:
      return "2";
    case Ink::kRed:
      return "31";
    case Ink::kYellow:
      return "33";
    case Ink::kGreen:
      return "32";
    case Ink::kCyan:
      return "36";
  }
  return "";
}

}  // namespace

std::string Style::paint(Ink ink, std::string_view text) const {
  const std::string_view code = escape_code(ink);
  if (mark.empty() || code.empty() || text.empty()) return std::string(text);
  return fmt::format("{0}{1}m{2}{0}0m", mark, code, text);
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

std::string shorten_path(std::string_view text, std::size_t width) {
  std::size_t total = display_width(text);
  if (total <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t at = 0;
  while (at < text.size() && (total + 1 > width || is_continuation(text[at]))) {
    if (!is_continuation(text[at])) --total;
    ++at;
  }
  return "…" + std::string(text.substr(at));
}

}  // namespace flense::report
