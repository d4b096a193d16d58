// One word of a shell text, and texts inside words.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "lint/shell/cursor.h"
#include "lint/shell/shell.h"

namespace flense::lint {

/// From where the cursor stands, which may be at no word: the word is empty then. The texts of its
/// substitutions go to `inner`. nullopt: a quote or a substitution has no end.
std::optional<ShellWord> read_word(ShellCursor& cursor, std::vector<Span>& inner);

/// The text of `sh -c '…'`, quotes excluded; nullopt where it is another command, or its text is
/// not in one piece in the file.
std::optional<Span> shell_argument(std::string_view file, const ShellCommand& command);

}  // namespace flense::lint
