// Whether a shell comes to the commands of its text whatever it meets.
#pragma once

#include <vector>

#include "lint/shell/shell.h"

namespace flense::lint {

/// For each command whether every run of the text that ends well comes to it: no branch or loop
/// holds it, no test or alternative of its list decides about it, and nothing in front of it ends
/// the text. The text of sh -c is no branch.
std::vector<bool> surely_reached(const std::vector<ShellCommand>& commands);

}  // namespace flense::lint
