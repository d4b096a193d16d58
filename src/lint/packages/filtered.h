// Lists of packages that grep or sed filter before pip reads them: `grep -v '^torch' a.txt >
// b.txt`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lint/packages/packages.h"

namespace flense::lint {

/// Where a list is from, and what may be missing of it.
struct FilteredList {
  std::string source;                 ///< the file, as written
  std::vector<std::string> left_out;  ///< a package whose name has one of these may be left out
};

/// How one of the commands writes the file `written`, the last of them that does; nullopt: none, or
/// in a way that is not understood.
std::optional<FilteredList> filtered_list(std::span<const ShellCommand> commands,
                                          std::string_view written);

/// What is surely left of a list.
PackageList surely_left(const PackageList& list, const std::vector<std::string>& left_out);

}  // namespace flense::lint
