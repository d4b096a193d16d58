// Copies of other projects in a directory that lint reads: their files are somebody else's.
#pragma once

#include <string>
#include <vector>

#include "cli/lint_files.h"

namespace flense::cli {

/// Directories below a named one that hold another project: in third_party, vendor and the like,
/// submodules, and those with a license and rules for contributors, or another license than the
/// root and a .gitignore, of their own. The outermost ones, by path; none where nothing else would
/// be left.
std::vector<std::string> foreign_directories(const std::vector<std::string>& names,
                                             const std::vector<LintFile>& files);

}  // namespace flense::cli
