// The errors of drivers, runtimes, engines and frameworks, recognised in a text by who says them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "knowledge/explained.h"

namespace flense::knowledge {

struct ToldError {
  const ErrorRow* row = nullptr;  ///< of the Explained that was given
  std::string_view line;          ///< of the text, the first that says it
  std::uint64_t number = 0;       ///< of that line, from 1
};

/// Each error once, in the order of the lines, at most 64. A line says one error, by the first of:
/// the longest text or name of a row; a number beside a voice ("CUDA failure 35"); a phrase that
/// counts only after a voice ("CUDA error: unknown error"). Where one voice speaks ("HIP error:"),
/// rows of the others are silent. General errors are told only where nothing else is. Case, the
/// number of blanks and control characters do not matter; of a line counts the first 16 KiB.
std::vector<ToldError> recognise_errors(std::string_view text, const Explained& known);

/// As texts are compared: lower case, one blank between words, no control characters.
std::string folded_message(std::string_view text);

}  // namespace flense::knowledge
