// What open_image() needs of other programs for the images of one command line, as what a broker
// may do: these programs with these arguments, and no others.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guard/broker.h"

namespace flense::image {

/// Whether a TARGET is not read from files alone: it is an engine's or a registry's, or a name that
/// may be.
bool needs_helpers(const std::string& target);

/// `cache` is OpenOptions::cache_directory.
guard::Services helpers_for(const std::vector<std::string>& targets,
                            const std::filesystem::path& cache);

}  // namespace flense::image
