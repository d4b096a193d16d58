// A decoder as a pull stream into the caller's buffers.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::codec {

/// Unpacks into the caller's buffer, so that no byte is copied between decoder and reader.
class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;
  /// At most out.size() bytes (out is not empty); 0 is the end. Not called again after an error.
  virtual Result<std::size_t> read(MutableBytes out) = 0;
};

}  // namespace flense::codec
