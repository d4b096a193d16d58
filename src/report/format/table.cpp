#include "report/format/table.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"

namespace flense::report {

namespace {

constexpr std::size_t kIndent = 2, kGap = 2, kNarrowest = 12;

}  // namespace

void Table::add(std::vector<std::string> cells, Ink ink) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back({std::move(cells), ink});
}

std::vector<std::size_t> Table::widths(const Style& style) const {
  std::vector<std::size_t> out;
  std::size_t total = kIndent;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const Row& row : rows_) width = std::max(width, display_width(row.cells[i]));
    out.push_back(width);
    total += width + (i == 0 ? 0 : kGap);
  }
  if (style.columns == 0) return out;
  for (std::size_t i = 0; i < columns_.size() && total > style.columns; ++i) {
    if (columns_[i].flex == Column::Flex::kNone) continue;
    const std::size_t excess = total - style.columns;
    const std::size_t narrowest = std::min(out[i], kNarrowest);
    const std::size_t width = out[i] > excess + narrowest ? out[i] - excess : narrowest;
    total -= out[i] - width;
    out[i] = width;
  }
  return out;
}

std::string Table::text(const Style& style) const {
  const std::vector<std::size_t> width = widths(style);
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells, Ink ink) {
    std::string text(kIndent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text.append(kGap, ' ');
      const std::string cell = columns_[i].flex == Column::Flex::kStart
                                   ? shorten_path(cells[i], width[i])
                                   : shorten(cells[i], width[i]);
      const std::size_t blanks = width[i] - std::min(width[i], display_width(cell));
      if (columns_[i].align == Align::kRight) text.append(blanks, ' ');
      text += cell;
      if (columns_[i].align == Align::kLeft) text.append(blanks, ' ');
    }
    while (text.ends_with(' ')) text.pop_back();
    out += style.paint(ink, text);
    out += '\n';
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (std::any_of(titles.begin(), titles.end(), [](const auto& title) { return !title.empty(); }))
    line(titles, Ink::kDim);
  for (const Row& row : rows_) line(row.cells, row.ink);
  return out;
}

}  // namespace flense::report
