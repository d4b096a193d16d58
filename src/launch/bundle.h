// A container for somebody else to start: an OCI bundle (runtime-spec bundle.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/assemble.h"
#include "launch/container/crun.h"

namespace flense::launch {

struct Bundle {
  std::string command;               ///< for a shell: starts it, for this user on this machine
  std::vector<std::string> reasons;  ///< for --explain
};

/// Writes config.json and the files it names into `directory`, which must not exist. The root stays
/// in the cache; what it has no place to mount on for is a layer above it, which the command
/// mounts.
Result<Bundle> write_bundle(const LaunchInput& input, const Engine& engine,
                            const RuntimePlaces& places, const std::filesystem::path& directory);

}  // namespace flense::launch
