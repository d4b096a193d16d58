// What is at a path of an unpacked root.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/in_root.h"
#include "base/result.h"

namespace flense::launch {

enum class FileKind { kMissing, kDirectory, kFile, kOther };

/// What paths lead to, for decisions that look at nothing themselves.
struct PathKinds {
  std::function<FileKind(std::string_view)> on_host, in_image;
  std::function<bool(std::string_view)> is_empty_in_image;  ///< a directory without entries
};

/// What a path leads to; nothing is opened but by O_PATH. A loop of links counts as missing.
FileKind kind_in_root(int root, std::string_view path);

/// A small regular file; an environment error when it is none, or larger than `limit`.
Result<std::string> read_in_root(int root, std::string_view path, std::uint64_t limit);

/// Directories that are missing on the way to `path`, and that one; through links of the root, and
/// never out of it.
Result<void> make_directories_in_root(int root, std::string_view path);

/// Whether a directory of the root has no entries; false when it cannot be read.
bool is_empty_directory(int root, std::string_view path);

}  // namespace flense::launch
