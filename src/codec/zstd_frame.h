// Where a Zstandard frame ends (RFC 8878, section 3.1.1).
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace flense::codec {

/// How many bytes the frame at the front takes, by its block headers; nullopt when no frame begins
/// there, or when it does not end within the bytes.
std::optional<std::size_t> zstd_frame_size(Bytes bytes);

}  // namespace flense::codec
