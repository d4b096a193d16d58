// Did you mean …?
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace flense::cli {

/// Insertions, deletions, substitutions and swaps of neighbours between two words.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known word that `word` is most likely a slip of; empty when none is near.
std::string nearest(std::string_view word, std::span<const std::string_view> known);

/// The same among options: a slip first, then what means the same elsewhere ("--silent"), then one
/// that shares a part ("--container-workdir").
std::string likeliest_option(std::string_view word, std::span<const std::string_view> known);

}  // namespace flense::cli
