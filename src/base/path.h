// Paths inside an image: always relative to its root, '/'-separated, no leading slash, no "." or
// ".." component. The root itself is the empty string.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flense {

/// Normalises the name of an archive member: strips leading "./" and "/", collapses slashes.
/// A ".." component or a NUL byte is a bad-input error: it would escape the image root.
Result<std::string> normalise_member_path(std::string_view name);

/// Joins `target` (a symbolic link's text) found in the directory `dir` and folds "." and "..";
/// ".." at the root stays at the root, as the kernel does in a chroot.
std::string resolve_link_text(std::string_view dir, std::string_view target);

std::string_view parent_path(std::string_view path);
std::string_view base_name(std::string_view path);

}  // namespace flense
