// Whether there is disk enough, asked before the work and not after half of it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "slim/job/destination.h"
#include "slim/job/slimming.h"

namespace flense::slim {

/// Bytes that writing the result takes beside what lies there, as far as they are known: the new
/// files of an --in-place run, which wait beside the old ones; what a directory holds; layers that
/// are copied. 0 where nothing is known.
std::uint64_t room_needed(const Slimming& slimming, const Destination& to);

/// An environment error where the file system of `place`, or of its nearest directory that is
/// there, clearly has no room for them.
Result<void> check_room(const std::filesystem::path& place, std::uint64_t needed);

}  // namespace flense::slim
