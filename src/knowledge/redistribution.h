// What NVIDIA's licences let one pass on; rows of data/redistribution.json. Facts for a person to
// decide with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// Files of Attachment A of the CUDA Toolkit EULA, by patterns of their names.
struct ListedFilesRow {
  std::string component;
  std::vector<std::string> files;
  std::string condition;  ///< empty: only the general ones
  std::string source;
};

/// Packages of what the attachment does not list, or of a licence of its own.
struct LicensedPackagesRow {
  std::string component;
  std::vector<std::string> packages;  ///< patterns
  std::string licence;                ///< empty: not listed
  std::string source;
};

struct Redistribution {
  static Redistribution read(const TableSet& tables);

  std::vector<ListedFilesRow> listed;
  std::vector<LicensedPackagesRow> tools, licences;

  /// By the file's name without folders; null when it is not listed.
  const ListedFilesRow* listed_file(std::string_view name) const;
  const LicensedPackagesRow* tool(std::string_view package) const;
  const LicensedPackagesRow* licence(std::string_view package) const;
};

}  // namespace flense::knowledge
