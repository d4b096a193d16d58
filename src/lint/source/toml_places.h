// Where a value is in a TOML text. The TOML reader returns values without positions, so they are
// searched for from the header of their table on.
#pragma once

#include <string_view>

#include "lint/source/source.h"

namespace flense::lint {

class TomlPlaces {
 public:
  explicit TomlPlaces(std::string_view text) : text_(text) {}

  /// Begins at the line of "[table]" or "[[table]]"; at the start of the text when there is none.
  /// False in that case.
  bool enter(std::string_view table);
  /// The next header of this name behind the place reached; false: none, the place stays.
  bool enter_next(std::string_view table);
  /// The next quoted text of this value, without its quotes, at or behind the place reached, which
  /// moves behind it. Empty: not found.
  Span value(std::string_view value);
  /// The line of `key = …` within the table, from the key to the end of its value's line.
  Span key(std::string_view key);
  /// Goes on from here; a header in between stays behind.
  void move_to(Span place);

 private:
  /// A value that is written otherwise (with escapes) is not found; after some of them the search
  /// stops, which keeps it linear.
  static constexpr unsigned kMostMisses = 64;

  std::size_t find_header(std::string_view table, std::size_t from) const;
  /// Where the next table begins.
  std::size_t table_end() const;

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned misses_ = 0;
};

/// The part of a text that an error of the TOML or YAML reader speaks of ("… line 3, column 7 …"),
/// as the whole line; empty when it names none.
Span line_of_error(const SourceText& source, std::string_view message);

}  // namespace flense::lint
