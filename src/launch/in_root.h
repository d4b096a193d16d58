// Paths of an unpacked root, resolved by the kernel below its descriptor: a link leads to another
// place of the same root and never out of it (openat2(2), RESOLVE_IN_ROOT).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace flense::launch {

enum class FileKind { kMissing, kDirectory, kFile, kOther };

/// `flags` as open(2) takes them; magic links of /proc are never followed.
Result<UniqueFd> open_in_root(int root, std::string_view path, std::uint64_t flags);

/// What a path leads to; nothing is opened but by O_PATH. A loop of links counts as missing.
FileKind kind_in_root(int root, std::string_view path);

/// A small regular file; an environment error when it is none, or larger than `limit`.
Result<std::string> read_in_root(int root, std::string_view path, std::uint64_t limit);

/// Whether a directory of the root has no entries; false when it cannot be read.
bool is_empty_directory(int root, std::string_view path);

}  // namespace flense::launch
