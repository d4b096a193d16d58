// What commands and names in Dockerfiles mean for a GPU image; rows of data/build_files.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// What needs a driver capability.
struct CapabilityUseRow {
  std::string on;       ///< "package", "word" of a command, "entry" point, "variable" (NAME=value)
  std::string pattern;  ///< with '*'
  std::string capability, what, source;
  bool only_some = false;  ///< programs that use it: most do without
};

struct ImageCapabilitiesRow {
  std::string repository;
  std::vector<std::string> capabilities;
  std::string source;
};

/// A name with '*' for any text and N for a number.
struct NamePatternRow {
  std::string pattern;
  std::string what;     ///< what it is
  std::string instead;  ///< what to take in its place; "{}" is the numbers of the name
  std::string ignore;   ///< the line of a .dockerignore
  std::string source;
};

/// Where a tool keeps its cache, and what switches that off.
struct ToolCacheRow {
  std::string tool;      ///< "pip"
  std::string variable;  ///< names the directory itself
  std::string xdg;       ///< below XDG_CACHE_HOME
  std::string home;      ///< below HOME
  std::vector<std::string> off, options;
  std::string source;
};

struct SecretFormRow {
  std::string prefix;
  std::uint64_t length = 0;  ///< of the shortest such token
  std::string what, source;
  bool plain = false;  ///< letters and digits alone, as words with underscores begin like it too
};

struct LargeRepositoryRow {
  std::string pattern;  ///< of owner/name
  std::string size;
  bool tags = false;  ///< its build takes the version from the tags
  std::string source;
};

struct BuildFacts {
  static BuildFacts read(const TableSet& tables);

  std::vector<CapabilityUseRow> capabilities;
  std::vector<ImageCapabilitiesRow> image_capabilities;
  std::vector<NamePatternRow> driver_packages, driver_libraries, toolkit_packages,
      recommending_packages, context_waste, secrets;
  std::vector<ToolCacheRow> caches;
  std::vector<SecretFormRow> secret_forms;
  std::vector<LargeRepositoryRow> large_repositories;

  // Null where the table has no such row.
  const ToolCacheRow* cache(std::string_view tool) const;
  const NamePatternRow* secret(std::string_view name) const;
  const LargeRepositoryRow* large_repository(std::string_view owner_and_name) const;
  /// Bytes; nothing is over a limit that the table lacks.
  std::uint64_t limit(std::string_view name) const;

  std::vector<std::pair<std::string, std::uint64_t>> limits;
};

/// The first row whose pattern the name has; null: none.
const NamePatternRow* find_pattern(const std::vector<NamePatternRow>& rows, std::string_view name);
/// "12-4" of "cuda-toolkit-12-4"; empty: the name has no numbers at its end.
std::string_view trailing_numbers(std::string_view name);

}  // namespace flense::knowledge
