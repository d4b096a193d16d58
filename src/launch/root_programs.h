// What the programs of an unpacked root were when it was unpacked: records of one size in order, so
// that the one that is to be started is compared at every start, in microseconds, where
// root_listing.h takes reading them all.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/oci_config.h"
#include "launch/root_listing.h"
#include "launch/root_store.h"

namespace flense::launch {

inline constexpr const char* kProgramsName = "programs";

/// Of the regular files that may be executed.
std::string encode_programs(const Listing& listing);

/// The program that `args[0]` names, as execvp would look for it: type, mode, size and time against
/// the record. Of a damaged root an environment error, and the next start unpacks it anew. Nothing
/// is said of what is mounted over, or of a root that is no entry of the store.
Result<void> check_program(const RootFs& root, const std::vector<std::string>& args,
                           const std::vector<std::string>& env, const std::string& cwd,
                           const std::vector<OciMount>& mounts);

}  // namespace flense::launch
