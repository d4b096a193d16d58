// One compressed block inside another format: a single Zstandard frame (RFC 8878) or a single zlib
// stream (RFC 1950), as LLVM's bundles hold them, or a bare LZ4 block, as in fat binaries.
// Unlike compression.h this stops at the block's end, says where that is, and writes one frame
// whatever its size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/stream.h"

namespace flense::codec {

enum class BlockMethod : std::uint8_t { kZlib, kZstd };

/// The first bytes of what the block at the front of `packed` holds, at most `most`. Needs no more
/// memory than that and one block of the format, whatever window the frame asks for.
Result<std::string> unpack_block_start(Bytes packed, BlockMethod method, std::size_t most);

/// The same for one LZ4 block without frame, which `packed` is as a whole; less where it ends
/// early.
Result<std::string> unpack_lz4_start(Bytes packed, std::size_t most);

/// The content of a block: in memory, or in a scratch file that is mapped where it is large.
class UnpackedBlock {
 public:
  /// The block at the front of `packed` must hold `size` bytes. Bad input: corrupt, truncated or of
  /// another size. Environment: no room in `scratch`.
  static Result<UnpackedBlock> make(Bytes packed, BlockMethod method, std::uint64_t size,
                                    const std::filesystem::path& scratch);
  /// The same for one LZ4 block without frame (lz4_Block_format.md), which `packed` is as a whole.
  static Result<UnpackedBlock> of_lz4(Bytes packed, std::uint64_t size,
                                      const std::filesystem::path& scratch);
  UnpackedBlock(UnpackedBlock&& other) noexcept
      : memory_(std::move(other.memory_)),
        mapped_(std::exchange(other.mapped_, {})),
        bytes_(std::exchange(other.bytes_, {})),
        consumed_(other.consumed_) {}
  UnpackedBlock& operator=(UnpackedBlock&&) = delete;
  ~UnpackedBlock();

  Bytes bytes() const { return bytes_; }
  /// How many of the compressed bytes belong to the block.
  std::size_t consumed() const { return consumed_; }

 private:
  UnpackedBlock() = default;
  /// Room for `size` bytes.
  Result<MutableBytes> reserve(std::uint64_t size, const std::filesystem::path& scratch);
  std::unique_ptr<std::byte[]> memory_;
  MutableBytes mapped_;
  Bytes bytes_;  ///< in either
  std::size_t consumed_ = 0;
};

/// Packs what is written, `size` bytes in all, and passes it on to `to`; a frame states its size.
/// finish() must be called. Deterministic for one version of the library.
std::unique_ptr<Sink> write_block(Sink& to, BlockMethod method, int level, std::uint64_t size);

/// Bytes of memory that write_block takes to pack `size` bytes by kZstd.
std::uint64_t zstd_memory(int level, std::uint64_t size);

/// What UnpackedBlock holds in memory for a block of `size` bytes; the rest is in its scratch file.
std::uint64_t unpacked_memory(std::uint64_t size);

}  // namespace flense::codec
