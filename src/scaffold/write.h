// Writes a project: all of its files, or none if one already exists.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace flense::scaffold {

struct ProjectFile {
  std::string path;  ///< relative to the project, '/' between parts
  std::string text;
  bool operator==(const ProjectFile&) const = default;
};

/// Those of `files` that are there already, by their paths.
std::vector<std::string> files_in_the_way(const std::vector<ProjectFile>& files,
                                          const std::filesystem::path& directory);

/// Each file appears whole or not at all. Environment errors: a file is in the way and `replace` is
/// not set; something that is no regular file is in the way; a directory cannot be made.
Result<void> write_project(const std::vector<ProjectFile>& files,
                           const std::filesystem::path& directory, bool replace);

}  // namespace flense::scaffold
