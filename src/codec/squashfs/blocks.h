// The decompressors of squashfs behind one interface; for the squashfs reader only.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::codec::squash {

class BlockDecoder {
 public:
  /// `compressor` is the number in the superblock (1 gzip … 6 zstd); bad input when this build
  /// cannot read it.
  static Result<BlockDecoder> create(std::uint16_t compressor, std::uint32_t block_size);
  BlockDecoder(BlockDecoder&&) noexcept;
  BlockDecoder& operator=(BlockDecoder&&) noexcept;
  ~BlockDecoder();

  /// Unpacks one block; the number of bytes it gave. Never writes beyond `out`.
  Result<std::size_t> decode(Bytes in, MutableBytes out);

 private:
  struct State;
  explicit BlockDecoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flense::codec::squash
