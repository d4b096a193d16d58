// What a container has of storage that outlives it: the mounts that are stated.
#pragma once

#include <string>
#include <string_view>

#include "lint/project/project.h"

namespace flense::lint {

/// Whether "nothing is mounted there" can be said: not of templates, nor where the engine mounts
/// the caller's own directories.
bool knows_mounts(const ProjectFile& file, const Workload& workload);

/// Whether the container has none of the caller's directories, nor a volume.
bool has_no_storage(const Workload& workload);

constexpr bool is_memory(MountKind kind) {
  return kind == MountKind::kTmpfs || kind == MountKind::kMemory;
}

/// How the workload is given a volume of that name, or a directory of the host ("HOST_DIRECTORY").
std::string mount_words(const Workload& workload, std::string_view path, std::string_view name);

}  // namespace flense::lint
