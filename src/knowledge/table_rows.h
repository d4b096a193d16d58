// Reading the rows of a data table, and naming a row in a verdict.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// Members of a row as text; empty where they are missing or of another type.
std::string text_at(const text::Json& row, std::string_view key);
std::vector<std::string> texts_at(const text::Json& row, std::string_view key);

/// The rows of one section of one table, and the words by which a verdict names a row: table,
/// section, row, state, and the confidence where it is not high.
class TableRows {
 public:
  TableRows(const TableSet& tables, std::string_view table, std::string_view section)
      : tables_(tables), table_(table), section_(section), json_(tables.table(table)[section]) {}

  void each(const std::function<void(const text::Json& row)>& take) const;
  /// "rocm.json, drivers, 6.1 (2026-11, confidence medium)".
  std::string source(const text::Json& row, std::string_view name) const;
  /// Of the row, or else of its section.
  const text::Json& fact(const text::Json& row, std::string_view key) const;
  std::string confidence(const text::Json& row) const;

 private:
  const TableSet& tables_;
  std::string_view table_, section_;
  const text::Json& json_;
};

/// True when `version` is `from` or newer and no newer than `to`, which counts only the numbers
/// that it has: 2.6.1 is within 2.4 to 2.6. An empty bound is none.
bool within(std::string_view version, std::string_view from, std::string_view to);

/// "cuda-nvcc-*" and the like: '*' stands for any text.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace flense::knowledge
