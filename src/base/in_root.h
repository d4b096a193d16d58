// Paths below an untrusted directory, such as the root of an image, resolved by the kernel relative
// to its descriptor: a link leads to another place in the same root and never out of it
// (openat2(2), RESOLVE_IN_ROOT).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace flense {

/// `flags` as open(2) takes them; magic links of /proc are never followed. An empty path is the
/// root itself.
Result<UniqueFd> open_in_root(int root, std::string_view path, std::uint64_t flags);

/// A regular file. Pipes are not waited for, devices not opened.
Result<UniqueFd> open_file_in_root(int root, std::string_view path);

/// Where a path really lies, links resolved, relative to the root; the root itself is empty. Needs
/// /proc.
Result<std::string> real_path_in_root(int root, std::string_view path);

}  // namespace flense
