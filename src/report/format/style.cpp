#include "report/format/style.h"

#include "base/format.h"

namespace flense::report {

namespace {

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

}  // namespace flense::report
