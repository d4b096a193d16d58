// Aligned text tables.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/format/style.h"

namespace flense::report {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  /// On a terminal this column gives way when the row is too long: kEnd keeps the beginning, kPath
  /// the name, kWrap all of it on several lines, below the row where little room is left beside it.
  enum class Flex { kNone, kEnd, kPath, kWrap } flex = Flex::kNone;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// One cell per column; missing cells are empty. Control characters are made harmless.
  void add(std::vector<std::string> cells, Ink ink = Ink::kPlain);
  bool empty() const { return rows_.empty(); }
  /// Two spaces of indentation, a header line, rows without trailing blanks.
  std::string text(const Style& style) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Ink ink = Ink::kPlain;
  };
  std::size_t wished_width(std::size_t column) const;
  std::vector<std::size_t> widths(std::size_t room, std::size_t count) const;
  /// Whether the last column goes below the row: a reason beside it would be a tower of words.
  bool last_below(std::size_t room) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace flense::report
