// TOML 1.0 as JSON values, and edits of single keys that leave every other byte of a document
// alone: comments, order, spelling.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::text {

/// Tables as objects in the order of their names, dates and times as texts. Errors carry line and
/// column. At most 4 MiB, 100 levels, 50 dots
/// outside of quotes in a line.
Result<Json> parse_toml(std::string_view text, std::string_view what);

/// The names of a table from the root: {"plugins", "io.containerd.grpc.v1.cri"}.
using TomlTable = std::vector<std::string>;

/// The document with this key of this table set: the value replaced where it stands, or a line
/// below the table's header, or a new table at the end. What comes out is parsed again and compared
/// with what was meant; bad input where that fails.
Result<std::string> set_toml(std::string_view text, const TomlTable& table, const std::string& key,
                             const Json& value, std::string_view what);
struct Insertion {
  std::string text;   ///< the document with it
  std::string block;  ///< what was put into the text: without it, it is the old one
};
/// The same of a key that is not there.
Result<Insertion> insert_toml(std::string_view text, const TomlTable& table, const std::string& key,
                              const Json& value, std::string_view what);
/// The document with one more item before the others of a list that is there.
Result<Insertion> insert_toml_item(std::string_view text, const TomlTable& table,
                                   const std::string& key, const Json& item, std::string_view what);
/// Without the first item of that value.
Result<std::string> erase_toml_item(std::string_view text, const TomlTable& table,
                                    const std::string& key, const Json& item,
                                    std::string_view what);
/// The document with this table, which is not in it, before the first table beside it (which may
/// count by order), or at the end; `note` is a comment above it. Checked as in set_toml.
Result<Insertion> add_toml_table(std::string_view text, const TomlTable& table,
                                 const Json::Object& members, std::string_view note,
                                 std::string_view what);
/// The document without the line of this key. Bad input when it shares lines with others.
Result<std::string> erase_toml(std::string_view text, const TomlTable& table,
                               const std::string& key, std::string_view what);

/// The names in this table in the order in which the document has them first.
Result<std::vector<std::string>> toml_names(std::string_view text, const TomlTable& table,
                                            std::string_view what);

/// The object of this table in a parsed document; null where there is none.
const Json& toml_table(const Json& document, const TomlTable& table);

}  // namespace flense::text
