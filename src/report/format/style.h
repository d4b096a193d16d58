// Colours and widths of text output; off unless the output is a terminal.
#pragma once

#include <string>
#include <string_view>

#include "base/printable.h"

namespace flense::report {

enum class Ink { kPlain, kBold, kDim, kRed, kYellow, kGreen, kCyan };

struct Style {
  /// What opens a colour (Screen::mark); empty: no colours.
  std::string mark;
  /// Columns of the terminal; 0: not a terminal, lines are never shortened.
  unsigned columns = 0;

  std::string paint(Ink ink, std::string_view text) const;
};

}  // namespace flense::report
