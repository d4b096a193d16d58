// The one place that includes fmt; fmt_compiled.cpp holds its compiled part.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace flense {

/// 1536 -> "1.5 kB": decimal units, as Docker and skopeo print sizes.
std::string human_bytes(std::uint64_t bytes);
/// Digits grouped by commas: 1234567 -> "1,234,567".
std::string grouped(std::uint64_t value);

}  // namespace flense
