// The data tables as JSON: those compiled in, and over them the rows of a user's directory.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/json.h"

namespace flense::knowledge {

class TableSet {
 public:
  /// With a directory, each of its NAME.json is laid over the table of that name: rows of a list
  /// `rows` come before the table's own, so that the first row that matches wins; other members
  /// replace. A file that is no JSON, or no known table, is bad input. With `names` only these are
  /// read, and the files of others pass.
  static Result<TableSet> load(const std::optional<std::filesystem::path>& directory = {},
                               std::span<const std::string_view> names = {});

  /// Null when there is no such table.
  const text::Json& table(std::string_view name) const;
  /// The state of the table: "2026-11", or with own rows "2026-11 and DIR/NAME.json".
  std::string state(std::string_view name) const;

 private:
  struct Table {
    text::Json json;
    std::string own;  ///< file that was laid over it
  };
  std::map<std::string, Table, std::less<>> tables_;
};

}  // namespace flense::knowledge
