// The flags of Docker, Podman, Apptainer and enroot, row by row.
#pragma once

#include <span>

#include "cli/shared/engine_flags.h"

namespace flense::cli {

std::span<const EngineFlag> flags_of_run();
std::span<const EngineFlag> flags_of_exec();
std::span<const EngineFlag> flags_of_shell();

}  // namespace flense::cli
