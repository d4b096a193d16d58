// The words of a shell script that may name a program, a file or a module, and the places at which
// the script runs what its text does not say. No shell: words are taken apart as POSIX sh does it
// (XCU 2.2 and 2.3), nothing is expanded, nothing fails.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace flense::closure {

/// `word` is valid during the call only; lines count from 1.
using TakeShellWord = std::function<void(std::string_view word, std::uint32_t line)>;

struct ShellUnclear {
  std::string what;  ///< "eval"; "$TOOL"; empty: everything that runs is in the text
  std::uint32_t line = 0;
};

/// Words with quotes taken away. Of a word with expansions, and of quoted text with blanks, every
/// piece comes: "${PYTHON:-/usr/bin/python3}" gives PYTHON and /usr/bin/python3; what lies below a
/// variable comes as if that were the script's directory, "./env.sh" of "$HERE/env.sh". "known" are
/// variables that the environment sets. The positional parameters, which are the container's
/// command, are clear.
ShellUnclear scan_shell(std::string_view text, const std::set<std::string, std::less<>>& known,
                        const TakeShellWord& take);

}  // namespace flense::closure
