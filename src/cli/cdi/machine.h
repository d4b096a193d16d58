// The options by which `flense cdi generate` and `diff` say which machine and what of its driver.
#pragma once

#include <span>

#include "base/result.h"
#include "cdi/generate/generate.h"
#include "cli/shared/args.h"
#include "cli/shared/io.h"

namespace flense::cli {

std::span<const OptionSpec> machine_options();

/// A usage error for unknown words; with --ask-driver an environment error when it does not answer.
Result<cdi::GenerateOptions> generate_options_of(const ParsedArgs& args, const Io& io);

}  // namespace flense::cli
