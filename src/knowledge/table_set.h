// The data tables as JSON: those compiled in, and over them, row by row, the files of other places.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "knowledge/table_files.h"
#include "text/json.h"

namespace flense::knowledge {

/// What a file changes in its table.
struct LaidTable {
  struct Older {
    std::string section;
    std::size_t row = 0;  ///< of the file's section, from 1
    std::string date, built_in;
  };
  std::string table;
  std::filesystem::path path;
  std::string date;           ///< empty where it has none
  std::size_t rows = 0;       ///< of the file
  std::size_t replacing = 0;  ///< so many of them replace a row below
  std::vector<Older> older;   ///< than the built-in row that they replace
};

class TableSet {
 public:
  /// Rows of a file come before those below it, so that the first row that matches wins, and rows
  /// below with the same key go; other members replace. With `names` only these tables are read.
  static Result<TableSet> load(const OwnTables& own = {},
                               std::span<const std::string_view> names = {});

  /// Null when there is no such table.
  const text::Json& table(std::string_view name) const;
  /// The state of the table: "2026-11", or with other files "2026-11 and DIR/NAME.json".
  std::string state(std::string_view name) const;
  /// Of all tables that were read, files over them by their dates alone: "cuda_driver 2026-11 and
  /// 2027-01, gpu_arch 2026-11". No path, since it goes into images.
  std::string dates() const;
  /// The state of one row of it: "2026-11", or of another file "2026-10, DIR/NAME.json".
  std::string state(std::string_view name, const text::Json& row) const;
  /// From below.
  const std::vector<LaidTable>& laid() const { return laid_; }

 private:
  std::map<std::string, text::Json, std::less<>> tables_;
  std::vector<LaidTable> laid_;
};

/// What to tell about the files whose rows are older than the built-in rows that they replace.
std::vector<std::string> age_notices(const TableSet& tables);

}  // namespace flense::knowledge
