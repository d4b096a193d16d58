// Unit files of systemd and Podman's Quadlet (systemd.syntax(7)): sections, repeatable keys,
// continued lines, comments.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/source/source.h"

namespace flense::lint {

struct UnitEntry {
  std::string section;  ///< "Container"
  Word key;
  /// Line ends of a continuation, and comments inside of it, are blanks: the text is as long as the
  /// span, so that places in it are places in the file.
  Word value;
};

struct UnitFile {
  std::vector<UnitEntry> entries;  ///< at most 100,000
  std::vector<ParseProblem> problems;

  /// The last value of a key, which is the one that counts; null: none.
  const UnitEntry* find(std::string_view section, std::string_view key) const;
};

UnitFile parse_unit(const SourceText& source);

}  // namespace flense::lint
