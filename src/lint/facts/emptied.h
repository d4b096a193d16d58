// Which commands take a package manager's cache out of the layer again.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lint/facts/build_steps.h"

namespace flense::lint {

/// The cache of one tool, which a step fills.
struct ToolCache {
  std::string_view directory;  ///< empty: not known
  std::string_view tool;       ///< "pip"
};

/// What counts: commands that surely empty it, or those too whose paths are not known, that stand
/// in a branch or remove a part.
enum class Emptied : std::uint8_t { kSurely, kPerhaps };

/// Where the last command of a step stands that empties the cache, or all of a directory above it;
/// 0: none does.
std::size_t emptied_at(const Step& step, const ToolCache& cache, Emptied how);

/// Whether a script that the step starts may empty it.
bool may_empty(const std::vector<StepCommand>& script, const Step& step, const ToolCache& cache);

/// The words that a removal of files names: of rm, and of find with what it hands to rm. `at`: one
/// of `commands`.
std::vector<std::string_view> removed_words(const std::vector<StepCommand>& commands,
                                            std::size_t at);

}  // namespace flense::lint
