// Sets single keys of an engine's configuration, or adds a table to it, and takes that back:
// everything else in the file belongs to somebody else and stays, including later changes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::cdi {

enum class Syntax { kJson, kToml };

struct Assignment {
  std::vector<std::string> table;  ///< {"features"}; empty: the top
  std::string key;
  text::Json value;
  bool item = false;      ///< of TOML: `value` is one more item of a list, before its others
  std::string text = {};  ///< of one that was done: what was put into the file; empty: it replaced
  bool operator==(const Assignment&) const = default;
};

/// A table of TOML that comes before those beside it.
struct TableEdit {
  std::vector<std::string> table;
  text::Json::Object members;
  std::string note;  ///< a comment above it
};

struct ConfigEdit {
  std::string file;  ///< on the host, absolute
  Syntax syntax = Syntax::kJson;
  std::string blank;  ///< what a missing file is taken for
  std::vector<Assignment> assignments;
  std::optional<TableEdit> table = {};
};

/// What has to be known to take an edit back; kept between install and uninstall.
struct DoneEdit {
  std::string file;
  Syntax syntax = Syntax::kJson;
  std::optional<std::string> before;  ///< the whole text; nullopt: there was no file
  std::string after;                  ///< the whole text as it was written
  std::vector<Assignment> assignments;
  std::string block = {};  ///< of a table: what was put into the text
  bool changes() const { return !assignments.empty() || !block.empty(); }
  bool operator==(const DoneEdit&) const = default;
};

/// `text` is the file as it is now, nullopt where there is none. Changes nothing when everything is
/// set already (before == after then).
Result<DoneEdit> make_edit(const ConfigEdit& edit, const std::optional<std::string>& text);

struct TakenBack {
  std::optional<std::string> text;   ///< to be written back; nullopt: no file
  std::vector<std::string> notices;  ///< what of ours stays, and why
};
/// Byte for byte what was there before where nobody has changed the file since, and the present
/// text where that was never written; else the present text without our keys and items, or with
/// what they held before, if they still hold what we set, and without our table, if it stands there
/// as it was written.
Result<TakenBack> take_back(const DoneEdit& done, const std::optional<std::string>& now);

text::Json to_json(const DoneEdit& done);
Result<DoneEdit> done_edit_from(const text::Json& json);

}  // namespace flense::cdi
