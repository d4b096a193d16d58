// How a container of an image starts: environment, search paths, the files that the command means.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "image/layers/merged_tree.h"
#include "image/model/image.h"
#include "inventory/describe/links.h"

namespace flense::inventory {

/// The variables that the configuration sets.
std::map<std::string, std::string> environment(const image::Image& image);
/// One of them; empty when it is not set.
std::string environment_value(const image::Image& image, std::string_view name);

/// The variable by which the driver compiles PTX where machine code stands beside it; empty: none.
std::string_view forces_ptx(const std::map<std::string, std::string>& environment);

/// The directories of a list with ':' between, as image paths; empty elements are left out.
std::vector<std::string> split_path_list(std::string_view text);

/// Directories of PATH, as image paths.
std::vector<std::string> program_path(const image::Image& image);

/// Files that the words of the entry point, the command and the health check may mean: the program,
/// the script that an interpreter gets. Not every one exists.
std::vector<std::string> start_paths(const image::Image& image);

/// LD_LIBRARY_PATH and the directories where distributions and CUDA put libraries.
LibraryPaths library_paths(const image::Image& image);

/// musl is the C library: its loader is there and glibc's is not.
bool uses_musl(const image::MergedTree& tree);

}  // namespace flense::inventory
