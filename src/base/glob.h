// Shell-like patterns over image paths.
#pragma once

#include <string_view>

namespace flense {

/// '*' and '?' stay within a component, "**" spans components, [a-z] classes, '\' takes the next
/// character as it is. A leading '/' is ignored. No pattern takes exponential time.
bool glob_match(std::string_view pattern, std::string_view path);

}  // namespace flense
