// A compressor that cuts its input into blocks of fixed size and compresses them on its own
// threads. The output for a block depends only on the block and what precedes it, so the stream is
// the same for any number of threads. Debian's static libzstd has no threads, zlib never had any.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/stream.h"

namespace flense::codec {

/// One per thread: holds the library's state, reused for every block.
class BlockPacker {
 public:
  BlockPacker() = default;
  BlockPacker(const BlockPacker&) = delete;
  BlockPacker& operator=(const BlockPacker&) = delete;
  virtual ~BlockPacker() = default;
  /// Packs `block` into `out` (which is empty). `before` is the end of the block before it, at most
  /// BlockLayout::context bytes; `last` marks the block that ends the stream, which may be empty.
  virtual Result<void> pack(Bytes before, Bytes block, bool last, std::vector<std::byte>& out) = 0;
};

struct BlockLayout {
  std::size_t block = 4u << 20;  ///< bytes of input packed at once
  std::size_t context = 0;       ///< bytes of the block before it that a packer wants to see
};

/// What surrounds the blocks: a header before the first, a trailer made from what went through.
class BlockFraming {
 public:
  BlockFraming() = default;
  BlockFraming(const BlockFraming&) = delete;
  BlockFraming& operator=(const BlockFraming&) = delete;
  virtual ~BlockFraming() = default;
  virtual Result<void> begin(Sink& to) = 0;
  /// The next block in order; called on the writer's thread.
  virtual void passed(Bytes block) = 0;
  virtual Result<void> end(Sink& to) = 0;
};

/// Holds `threads` + 1 blocks at most, each once as it came and once packed. `framing` may be null.
/// An error of a packer or of `to` is returned by the write() or finish() that meets it.
std::unique_ptr<Sink> block_encoder(Sink& to, BlockLayout layout, unsigned threads,
                                    const std::function<std::unique_ptr<BlockPacker>()>& packer,
                                    std::unique_ptr<BlockFraming> framing);

}  // namespace flense::codec
