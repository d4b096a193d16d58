// The temporary names beside an output: ".OUT.flense-XXXXXX". The writer holds a lock on its own,
// so that what a killed process left behind can be told from what is being written.
#pragma once

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>

namespace flense {

/// The directory that an output is in; "." for a bare name.
std::filesystem::path parent_of(const std::filesystem::path& path);

/// Pattern for mkostemp and mkdtemp.
std::string staging_pattern(const std::filesystem::path& output);

/// The output's name that a temporary one stands for: "OUT" of ".OUT.flense-XXXXXX"; empty when the
/// name is none of these.
std::string output_of_staging(std::string_view name);

/// Marks a file or directory as being written until `fd` is closed. Best effort: where there are
/// no locks, nothing is ever taken for stale.
void mark_as_written(int fd);

/// Removes staging files and directories of this output, a minute old and more, that nobody
/// writes. Best effort.
void remove_stale_staging(const std::filesystem::path& output,
                          std::time_t now = std::time(nullptr));

}  // namespace flense
