#include "report/format/table.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"

namespace flense::report {

namespace {

constexpr std::size_t kIndent = 2, kGap = 2, kNarrowest = 12, kTower = 26;

std::vector<std::string> cell_lines(const std::string& cell, std::size_t width, Column::Flex flex) {
  switch (flex) {
    case Column::Flex::kPath:
      return {shorten_path(cell, width)};
    case Column::Flex::kNone:
    case Column::Flex::kEnd:
      return {shorten_words(cell, width)};
    case Column::Flex::kWrap:
      break;
  }
  std::vector<std::string> out;
  std::string_view rest = cell;
  do {
    // A word that is wider than the column stays whole, if it is no path.
    std::size_t end = rest.size();
    for (std::size_t at = 0; at < rest.size(); at = rest.find_first_not_of(' ', end)) {
      const std::size_t next = std::min(rest.find(' ', at), rest.size());
      if (at > 0 && display_width(rest.substr(0, next)) > width) break;
      end = next;
    }
    const std::string_view line = rest.substr(0, end);
    out.push_back(line.find('/') == std::string_view::npos ? std::string(line)
                                                           : shorten_path(line, width));
    rest.remove_prefix(std::min(rest.find_first_not_of(' ', end), rest.size()));
  } while (!rest.empty());
  return out;
}

}  // namespace

void Table::add(std::vector<std::string> cells, Ink ink) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back({std::move(cells), ink});
}

std::size_t Table::wished_width(std::size_t column) const {
  std::size_t out = display_width(columns_[column].title);
  for (const Row& row : rows_) out = std::max(out, display_width(row.cells[column]));
  return out;
}

std::vector<std::size_t> Table::widths(std::size_t room, std::size_t count) const {
  std::vector<std::size_t> out;
  std::size_t total = kIndent;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(wished_width(i));
    total += out.back() + (i == 0 ? 0 : kGap);
  }
  if (room == 0) return out;
  const auto give_way = [&](std::size_t i) {
    if (total <= room) return;
    const std::size_t narrowest = std::min(out[i], kNarrowest);
    const std::size_t width = std::max(narrowest, out[i] - std::min(out[i], total - room));
    total -= out[i] - width;
    out[i] = width;
  };
  // What is still told in full goes first.
  for (std::size_t i = 0; i < count; ++i)
    if (columns_[i].flex == Column::Flex::kWrap) give_way(i);
  for (std::size_t i = 0; i < count; ++i)
    if (columns_[i].flex != Column::Flex::kNone) give_way(i);
  return out;
}

bool Table::last_below(std::size_t room) const {
  if (room == 0 || columns_.back().flex != Column::Flex::kWrap) return false;
  std::size_t needed = kIndent + std::min(kTower, wished_width(columns_.size() - 1));
  for (std::size_t i = 0; i + 1 < columns_.size(); ++i) needed += wished_width(i) + kGap;
  return needed > room;
}

std::string Table::text(const Style& style) const {
  const bool below = last_below(style.columns);
  const std::size_t beside = columns_.size() - (below ? 1 : 0);
  const std::vector<std::size_t> width = widths(style.columns, beside);

  std::string out;
  const auto line = [&](const std::vector<std::string>& cells, Ink ink) {
    std::vector<std::vector<std::string>> lines(beside);
    std::size_t height = 1;
    for (std::size_t i = 0; i < beside; ++i) {
      lines[i] = cell_lines(cells[i], width[i], columns_[i].flex);
      height = std::max(height, lines[i].size());
    }
    for (std::size_t row = 0; row < height; ++row) {
      std::string text(kIndent, ' ');
      for (std::size_t i = 0; i < beside; ++i) {
        if (i > 0) text.append(kGap, ' ');
        const std::string cell = row < lines[i].size() ? lines[i][row] : std::string();
        const std::size_t blanks = width[i] - std::min(width[i], display_width(cell));
        if (columns_[i].align == Align::kRight) text.append(blanks, ' ');
        text += cell;
        if (columns_[i].align == Align::kLeft) text.append(blanks, ' ');
      }
      while (text.ends_with(' ')) text.pop_back();
      out += style.paint(ink, text);
      out += '\n';
    }
    if (!below || cells.back().empty()) return;
    const std::string indent(2 * kIndent, ' ');
    for (const std::string& text : cell_lines(
             cells.back(), style.columns - std::min<std::size_t>(style.columns, indent.size()),
             Column::Flex::kWrap))
      out += style.paint(ink, indent + text) + '\n';
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (below) titles.back().clear();
  if (std::any_of(titles.begin(), titles.end(), [](const auto& title) { return !title.empty(); }))
    line(titles, Ink::kDim);
  for (const Row& row : rows_) line(row.cells, row.ink);
  return out;
}

}  // namespace flense::report
