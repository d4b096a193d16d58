// The grammar of each instruction: what its arguments must look like before variables are expanded,
// and the commands in it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/dockerfile/lines.h"
#include "lint/dockerfile/words.h"

namespace flense::lint {

/// An instruction with its arguments as they are written, quotes and all: what the lexer reads.
struct RawInstruction {
  Instruction instruction;
  std::vector<std::string> words;  ///< one for each of Instruction::words
  /// One for each of Instruction::pairs.
  std::vector<std::pair<std::string, std::optional<std::string>>> pairs;
  std::vector<ParseProblem> later;  ///< of an ONBUILD trigger: refused where it runs
  bool fine = true;  ///< false: a problem was found, so the words need not make sense
};

/// nullopt where the line is not an instruction.
std::optional<RawInstruction> read_instruction(const LogicalLine& line, char escape,
                                               std::vector<ParseProblem>& problems);

/// "run" for "RNU"; empty: nothing is near.
std::string nearest_keyword(std::string_view word);

/// Sets `commands` and `interpreter`; `shell` is that of SHELL or "/bin/sh". Spans, flags and
/// here-documents are set already.
void read_commands(Instruction& instruction, std::string_view text, std::string_view shell,
                   char escape);

/// What SHELL runs: its first word, or the shell that a launcher such as `conda run` starts.
std::string shell_of(const Instruction& instruction);

}  // namespace flense::lint
