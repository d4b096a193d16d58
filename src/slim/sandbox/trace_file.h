// A trace as a file, so that it can be made on another machine: one image path a line, '#' begins
// a comment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "slim/sandbox/trace_paths.h"

namespace flense::slim {

inline constexpr std::size_t kMostTraceBytes = 256u << 20;
inline constexpr std::size_t kMostTracePaths = 1'000'000;
inline constexpr std::size_t kMostPathBytes = 4096;

/// Image paths, sorted, each once. `name` is for messages. Bad input: paths that leave the image,
/// hold a NUL or are longer than a path can be; more than `most` of them.
Result<std::vector<std::string>> parse_trace(std::string_view text, std::string_view name,
                                             std::size_t most = kMostTracePaths);

/// What a command met. A path with a line break cannot be written: it is left out and counted.
std::string trace_text(std::string_view command, const MetPaths& met);

}  // namespace flense::slim
