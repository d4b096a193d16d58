// Help texts, made from the command table.
#pragma once

#include <string>

#include "cli/shared/command.h"

namespace flense::cli {

/// Overview of all commands.
std::string overview();
/// Usage, help and options of one command.
std::string command_help(const Command& command);

}  // namespace flense::cli
