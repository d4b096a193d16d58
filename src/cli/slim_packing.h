// How slim packs its output: --compression, --compression-level, --split.
#pragma once

#include "cli/args.h"
#include "slim/options.h"

namespace flense::cli {

/// Sets the members of `options` that the command line names. Usage errors for words that are none,
/// levels that the kind does not have, and a level given twice.
Result<void> read_packing(const ParsedArgs& args, slim::SlimOptions& options);

}  // namespace flense::cli
