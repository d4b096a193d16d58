// Patterns of ${NAME#pattern}, ${NAME%pattern} and ${NAME/pattern/text}: '*' and '?', no brackets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flense::lint {

enum class PatternEnd { kPrefix, kSuffix };

/// False for an escape before a character that needs none: BuildKit refuses it.
bool valid_pattern(std::string_view pattern);

// nullopt: too much work to find out.
std::optional<std::string> strip_pattern(std::string_view value, std::string_view pattern,
                                         PatternEnd end, bool longest);
std::optional<std::string> replace_pattern(std::string_view value, std::string_view pattern,
                                           std::string_view text, bool all);

}  // namespace flense::lint
