// Libraries as mounts of a container: each as a file under every name that programs use for it,
// in the directories where the loaders of images look without a cache. So no hook is needed.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cdi/generate/library_search.h"

namespace flense::cdi {

/// Directories of the container for libraries of this ABI: options.library_dirs for 64-bit ones,
/// else those of Debian's and of Red Hat's loaders.
std::vector<std::string> container_folders(Abi abi, const GenerateOptions& options);

void mount_library(const Library& library, const GenerateOptions& options, Edits& edits);

/// Those of the wanted capabilities; missing libcuda (compute) or libnvidia-ml (utility) is an
/// environment error unless options.allow_missing.
Result<void> add_libraries(Discovery& discovery, const DriverRoot& root, std::string_view version,
                           Edits& edits);

}  // namespace flense::cdi
