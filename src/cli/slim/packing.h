// How slim packs its output: --compression, --compression-level, --split.
#pragma once

#include "cli/shared/args.h"
#include "image/output/writer.h"
#include "slim/plan/options.h"

namespace flense::cli {

/// Sets the members of `options` that the command line names. Usage errors for words that are none,
/// levels that the kind does not have, and a level given twice.
Result<void> read_packing(const ParsedArgs& args, slim::SlimOptions& options);

/// A usage error where an image in this form cannot be pulled lazily though it shall be.
Result<void> check_lazy(const slim::SlimOptions& options, image::OutputForm form);
/// The same for where an image is pushed to: engines store layers unpacked.
Result<void> check_lazy_push(const slim::SlimOptions& options, const std::string& target);

}  // namespace flense::cli
