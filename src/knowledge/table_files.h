// Files of data tables that lie over the built-in ones: where they are looked for, and their text.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::knowledge {

/// A directory of NAME.json.
struct TablePlace {
  std::filesystem::path directory;
  std::string named_by;  ///< "--data"; empty for those of the system, which may be missing
};

/// Where tables are looked for, the first wins: `data` (--data), `variable` ($FLENSE_DATA), /etc,
/// /usr/share.
std::vector<TablePlace> table_places(const std::optional<std::filesystem::path>& data,
                                     const std::string& variable);

/// The tables that may lie there: all but those of lint's rules, which are the program's own texts.
std::vector<std::string_view> table_names();

struct OwnTable {
  std::string name;  ///< "cuda_driver"
  std::filesystem::path path;
  std::string text;
};

struct OwnTables {
  std::vector<OwnTable> files;  ///< those that lie above come after those below

  /// Of their paths and texts, for keys of what is cached; empty without files.
  std::string digest() const;
};

/// The files of a directory that are tables by their ending, in order; none where one of the
/// system is missing.
Result<std::vector<std::filesystem::path>> list_tables(const TablePlace& place);
/// A file NAME.json; bad input when there is no table of that name, or too much in it.
Result<OwnTable> read_own_table(const std::filesystem::path& path);
/// All files of the places, or those of `names`; the files of other tables are not opened.
Result<OwnTables> read_own_tables(std::span<const TablePlace> places,
                                  std::span<const std::string_view> names = {});

}  // namespace flense::knowledge
