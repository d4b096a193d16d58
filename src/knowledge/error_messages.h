// The errors of drivers, runtimes, engines and frameworks, recognised in a text by who says them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/explained.h"

namespace flense::knowledge {

struct ToldError {
  const ErrorRow* row = nullptr;  ///< of the Explained that was given
  std::string_view line;          ///< of the text, the first that says it
  std::uint64_t number = 0;       ///< of that line, from 1
};

/// Each error once, in the order of the lines, but behind the others what only warnings say, and
/// last what working programs say too. A line says one error, by the first of: the longest text or
/// name of a row; a number beside a voice ("CUDA failure 35"), but not beside a name, whose library
/// numbers its own errors; a phrase that counts only after a voice ("CUDA error: unknown error").
/// Where one voice speaks ("HIP error:"), rows of the others are silent. General errors are told
/// only where nothing else is. What a later line takes back (a row's `resolved`), and what a step
/// of a build printed that is done after all, is not told. Case, the number of blanks, the kind of
/// quotes, colours and control characters do not matter; of a line counts the first 16 KiB.
class ErrorReader {
 public:
  explicit ErrorReader(const Explained& known);  ///< which it refers to
  ~ErrorReader();
  ErrorReader(const ErrorReader&) = delete;
  ErrorReader& operator=(const ErrorReader&) = delete;

  std::vector<ToldError> in(std::string_view text) const;

 private:
  class Rules;
  std::unique_ptr<const Rules> rules_;
};

/// As texts are compared: lower case, one blank between words, one kind of quotes, no control
/// characters, colours or backslashes before quotes.
std::string folded_message(std::string_view text);

}  // namespace flense::knowledge
