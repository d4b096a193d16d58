// A directory (root file system, virtual environment) or a single file as an image of one layer.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "image/model/image.h"

namespace flense::image {

/// Symbolic links inside are never followed; kernel file systems below it (/proc, /sys) are not
/// entered; hard links are told by inode.
Result<std::unique_ptr<Image>> open_directory(const std::filesystem::path& path);

/// One ELF file; its entry has the file's base name.
Result<std::unique_ptr<Image>> open_single_file(const std::filesystem::path& path, Form form);

}  // namespace flense::image
