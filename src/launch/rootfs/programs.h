// What the programs of an unpacked root were when it was unpacked: sorted records of fixed size, so
// that the program to be started can be compared at every start, in microseconds, whereas
// listing.h would have to be read as a whole.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/rootfs/listing.h"
#include "launch/rootfs/store.h"

namespace flense::launch {

inline constexpr const char* kProgramsName = "programs";

/// Of the regular files that may be executed.
std::string encode_programs(const Listing& listing);

/// The places of the image where the command was looked for, against the record: type, mode, size
/// and time. Of a damaged root an environment error, and the next start unpacks it again. Nothing
/// is said of a root that is no entry of the store.
Result<void> check_programs(const RootFs& root, const std::vector<std::string>& places);

}  // namespace flense::launch
