// Whether there is disk enough, asked before the work and not after half of it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "slim/job/destination.h"
#include "slim/job/slimming.h"

namespace flense::slim {

/// Bytes on the disk. What is packed anew takes an unknown part of its size.
struct Room {
  std::uint64_t certain = 0, at_most = 0;
  Room& operator+=(const Room& other) {
    certain += other.certain;
    at_most += other.at_most;
    return *this;
  }
};

/// What writing the result takes beside what lies there: the new files of an --in-place run, which
/// wait beside the old ones; what a directory holds; the layers of an image, twice those that an
/// archive is put together from. Nothing for pushes and for file systems.
Result<Room> room_needed(const Slimming& slimming, const Destination& to);

/// An environment error where the file system of `place`, or of its nearest directory that is
/// there, clearly has no room for them.
Result<void> check_room(const std::filesystem::path& place, const Room& needed);

}  // namespace flense::slim
