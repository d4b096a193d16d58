// Directories that many processes use at once: named by a key, whole or absent, and never removed
// while one of them is held. A user holds a shared lock on it until it is mounted, and never waits;
// a remover takes an exclusive lock, so that nobody finds half of it, and looks for processes that
// have it mounted (mount_users.h). Locks need a local file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace flense::launch {

/// 64 lower-case hexadecimal digits.
bool is_key(std::string_view text);

/// The directory, open and locked; what it is for must be mounted before the descriptor ends, at
/// the latest with execve. nullopt when it is not there, or when somebody removes it. A use is
/// noted in its time, to the hour.
std::optional<UniqueFd> hold_directory(const std::filesystem::path& directory);

/// Removes the directory with all that is below it; false while somebody holds it, or runs in it.
Result<bool> discard_directory(const std::filesystem::path& directory);

/// What killed processes left of entries that they were making or removing (base/staging.h).
struct LeftBehind {
  std::filesystem::path path;
  std::string key;          ///< of the entry
  std::uint64_t bytes = 0;  ///< of regular files
  std::int64_t used = 0;    ///< seconds since 1970
};
/// In byte order of the names, without those that somebody is writing.
std::vector<LeftBehind> left_behind(const std::filesystem::path& place);

/// Sizes of the regular files below a directory; links are not followed.
std::uint64_t bytes_below(const std::filesystem::path& directory);

}  // namespace flense::launch
