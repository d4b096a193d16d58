// Comparing names as people type them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flense::knowledge {

/// Lower case; only letters and digits stay: "RTX-4090" -> "rtx4090".
std::string plain_spelling(std::string_view text);

/// The candidates nearest to `word` by edit distance, nearest first, at most `count`; none when
/// nothing is close.
std::vector<std::string> near_matches(std::string_view word,
                                      const std::vector<std::string>& candidates,
                                      std::size_t count);

}  // namespace flense::knowledge
