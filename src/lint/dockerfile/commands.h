// The commands of an instruction, and what runs them.
#pragma once

#include <string_view>

#include "lint/dockerfile/dockerfile.h"

namespace flense::lint {

/// Sets `commands` and `interpreter`; `shell` is that of SHELL or "/bin/sh". Spans, flags and
/// here-documents are set already.
void read_commands(Instruction& instruction, std::string_view text, std::string_view shell,
                   char escape);

/// What SHELL runs: its first word, or the shell that a launcher such as `conda run` starts.
std::string shell_of(const Instruction& instruction);

}  // namespace flense::lint
