// The checksum of gzip (RFC 1952), by ISA-L: zlib's takes a tenth of the time of decompression.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace flense::codec {

/// Continues from `sum`, which is 0 at the start.
std::uint32_t crc32(std::uint32_t sum, Bytes bytes);

}  // namespace flense::codec
