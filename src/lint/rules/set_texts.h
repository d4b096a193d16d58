// What the words of a command bring into force, where they hold settings: of files that it writes,
// and of options.
#pragma once

#include <string>
#include <string_view>

#include "lint/shell/shell.h"

namespace flense::lint {

/// The lines of a word that may come into force: what sed puts in place of something, and not what
/// is searched, only said to a reader, or behind a comment's sign.
std::string set_text(const ShellCommand& command, std::string_view word);

/// Whether a command names repositories, and all of them lie in the image or on servers of the
/// house.
bool names_near_repositories(const ShellCommand& command);

}  // namespace flense::lint
