// An overlay over a directory as an unprivileged user may mount one: in a user and a mount
// namespace of a process of its own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/bench/io.h"

namespace flense::launch {

/// Measures on an overlay of `root`, whose upper layer is made in `scratch`; `file` lies below
/// `root`, and so do `entries`. Where none can be mounted, the result holds the reason alone.
Result<IoFigures> measure_overlay(const std::filesystem::path& root,
                                  const std::filesystem::path& file, std::uint64_t bytes,
                                  const std::filesystem::path& scratch,
                                  const std::vector<std::string>& entries, std::size_t files);

}  // namespace flense::launch
