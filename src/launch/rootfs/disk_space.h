// Reports a full disk: what was needed, where, and what was available.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace flense::launch {

struct Room {
  std::uint64_t free = 0, total = 0;  ///< bytes of the file system, for this user
  bool no_inodes = false;             ///< it has no file left to give
};

/// Zeros where nothing can be said (statvfs(3)).
Room room_in(const std::filesystem::path& directory);

/// Whether the failure is that of a full disk or an exhausted quota.
bool is_full(const Error& error);

struct RoomNeed {
  std::string what;                 ///< "app.tar"
  std::filesystem::path directory;  ///< where it was to be
  Room before;                      ///< what there was
  std::uint64_t bytes = 0;          ///< that are needed at least
  bool no_inodes = false;           ///< files ran out, not bytes
};

/// The error of a full disk, with what was needed and where; what failed becomes its context.
Error no_room(Error error, const RoomNeed& need);

}  // namespace flense::launch
