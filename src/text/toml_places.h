// Where in a TOML document things are; for the edits beside this file alone.
#pragma once

#include <optional>

#include "text/toml.h"

namespace flense::text {

struct TomlMember {
  std::string name;
  std::size_t named = 0;           ///< where the document has its name first
  std::size_t begin = 0, end = 0;  ///< of the value
  bool is_table = false;
  std::vector<std::pair<std::size_t, std::size_t>> items = {};  ///< of a list
};
struct TomlPlaces {
  std::size_t begin = 0;  ///< of the header
  bool is_inline = false;
  std::vector<TomlMember> members = {};
  const TomlMember* find(std::string_view name) const;
};
/// Of this table; nullopt: there is none.
Result<std::optional<TomlPlaces>> toml_places(std::string_view text, const TomlTable& table,
                                              std::string_view what);

}  // namespace flense::text
