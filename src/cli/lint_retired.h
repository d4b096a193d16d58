// Directories of which their own README says that nobody uses them any more.
#pragma once

#include <string>
#include <vector>

#include "cli/lint_files.h"

namespace flense::cli {

/// Below the named directories, by path: "this directory is kept only for historical context".
std::vector<std::string> retired_directories(const std::vector<std::string>& names,
                                             const std::vector<LintFile>& files);

}  // namespace flense::cli
