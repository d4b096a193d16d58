// Many host names as one short text, as Slurm writes host lists: "h100-[001-064,070]".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace flense::report {

/// Names that differ in one number (the last before the first dot) are folded into ranges; equal
/// names count once. At most `most` pieces, then "and 12 more". Hostile names come out printable
/// and short.
std::string folded_names(const std::vector<std::string>& names, std::size_t most = 8);

/// One name, printable and of bounded length; an empty one is said to be so.
std::string printable_name(std::string_view name);

}  // namespace flense::report
