// Pointer words of the wrappers in .nvFatBinSegment and .hipFatBinSegment.
#pragma once

#include <cstdint>
#include <vector>

#include "elf/file.h"

namespace flense::elf {

/// Addresses of the words that point at device code: the second word of each 24-byte record with
/// a wrapper magic, and the third of CUDA's of version 2. Not sorted.
std::vector<std::uint64_t> wrapper_words(const File& file);

}  // namespace flense::elf
