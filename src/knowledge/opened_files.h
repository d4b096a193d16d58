// What programs open although no list of theirs names it: rows of data/dlopen.json, each with the
// document or source that says so. A pattern without '/' is a file name, '*' any text; one with '/'
// is a glob over image paths (base/path.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct OpenedRow {
  std::string opener;              ///< file name or SONAME of a library; empty in rows of calls
  std::vector<std::string> calls;  ///< functions that a file imports
  std::vector<std::string> opens;
  std::string source;  ///< names the row
};

/// An interpreter of another language than Python and the shell: its libraries stay whole.
struct LanguageRow {
  std::vector<std::string> programs;
  std::vector<std::string> keeps;
  std::string source;
};

/// What a *.pth file in site-packages really needs of its distribution: globs relative to that.
struct PathFileRow {
  std::string file;
  std::vector<std::string> keeps;
  std::string source;
};

struct KeptFilesRow {
  std::vector<std::string> files;
  std::string why;
};

struct OpenedFiles {
  static OpenedFiles read(const TableSet& tables);

  std::vector<OpenedRow> libraries, calls;
  std::vector<std::string> shell_calls;  ///< functions that start /bin/sh
  std::vector<std::string> shell_tools;  ///< programs that scripts take for granted
  /// Programs whose names are everyday words: in a source they count only where something is run.
  std::vector<std::string> shell_words;
  std::vector<LanguageRow> languages;
  std::vector<PathFileRow> path_files;
  std::vector<KeptFilesRow> always;      ///< whatever starts
  std::vector<KeptFilesRow> minimal;     ///< the same where nothing but the closure stays
  std::vector<KeptFilesRow> time_zones;  ///< there on request

  /// Null when the program is no such interpreter.
  const LanguageRow* language(std::string_view program) const;
};

}  // namespace flense::knowledge
