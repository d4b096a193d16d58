// Directories of this user alone, below directories that others may write to.
#pragma once

#include <filesystem>

#include "base/file.h"
#include "base/result.h"

namespace flense {

/// Opens the directory for reading; it and what is missing above it are made, for this user alone.
/// An environment error when it cannot be used: it or what it would lie in belongs to somebody
/// else, others may write to it, it is a symbolic link.
Result<UniqueFd> open_private_directory(const std::filesystem::path& directory);

}  // namespace flense
