// Colours and widths of text output; off unless the output is a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flense::report {

enum class Ink { kPlain, kBold, kDim, kRed, kYellow, kGreen, kCyan };

struct Style {
  /// What opens a colour (Screen::mark); empty: no colours.
  std::string mark;
  /// Columns of the terminal; 0: not a terminal, lines are never shortened.
  unsigned columns = 0;

  std::string paint(Ink ink, std::string_view text) const;
};

/// Columns that the UTF-8 text takes (one per code point; no wide characters in what we print).
std::size_t display_width(std::string_view text);

/// At most `width` columns: "abc…", or with the end kept "…xyz" (paths).
std::string shorten(std::string_view text, std::size_t width);
std::string shorten_path(std::string_view text, std::size_t width);

/// A shell command in a sentence: its first line, at most 72 columns of it, and "…" for more.
std::string brief_command(std::string_view command);

}  // namespace flense::report
