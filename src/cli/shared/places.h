// --root, --proc, --sys and --dev: the machine that a command reads, for all commands alike.
#pragma once

#include "cli/shared/args.h"
#include "host/tree.h"

namespace flense::cli {

/// Bad input when one of them is no directory.
Result<host::Places> places_of(const ParsedArgs& args);
/// Whether any of them was given.
bool names_places(const ParsedArgs& args);

extern const OptionSpec kRootOption, kProcOption, kSysOption, kDevOption;

}  // namespace flense::cli
