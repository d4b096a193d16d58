// Which files a call of lint reads: those named, and in directories those of a kind that it knows.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "lint/lint.h"

namespace flense::cli {

/// `names` are files, directories, or "-" for standard input. Bad input for one that is not there.
/// Links to directories are not followed; .git, node_modules, virtual environments and caches of
/// Python are left out.
Result<std::vector<lint::Input>> lint_inputs(const std::vector<std::string>& names);

/// The files of build contexts, by directory: at most 200,000 each.
std::vector<lint::Context> list_contexts(const std::vector<std::string>& directories);

}  // namespace flense::cli
