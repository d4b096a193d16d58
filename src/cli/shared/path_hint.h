// The next step where a path cannot be read or written: what is there instead, or who may.
#pragma once

#include <filesystem>
#include <string>

namespace flense::cli {

/// "did you mean app.tar?", "there is no directory models", "/root belongs to root and has mode
/// 0700: …"; empty when nothing is wrong with it now.
std::string path_hint(const std::filesystem::path& path);

}  // namespace flense::cli
