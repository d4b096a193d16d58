// Command lines of the distributions' package managers: apt, dnf and its kin, apk.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "lint/packages/packages.h"
#include "lint/shell/command_words.h"

namespace flense::lint {

/// Nullopt for another program, or a verb that installs nothing. Path and span are the caller's.
std::optional<PackageList> read_system_command(std::string_view program,
                                               std::span<const Argument> arguments);

}  // namespace flense::lint
