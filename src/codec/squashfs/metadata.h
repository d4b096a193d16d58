// Superblock and metadata blocks of squashfs 4.0 (kernel: fs/squashfs/squashfs_fs.h). Metadata is a
// chain of blocks of at most 8 KiB decompressed, each after a 16-bit length.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/squashfs/blocks.h"

namespace flense::codec::squash {

inline constexpr std::uint64_t kNoTable = ~std::uint64_t{0};
inline constexpr std::size_t kMetadataSize = 8192;

struct Superblock {
  std::uint32_t inode_count = 0, block_size = 0, fragment_count = 0;
  std::uint16_t compressor = 0, id_count = 0;
  std::uint64_t root_ref = 0, bytes_used = 0;
  // Absolute offsets; kNoTable where the table is absent.
  std::uint64_t id_table = 0, xattr_table = 0, inode_table = 0, directory_table = 0,
                fragment_table = 0;
};

/// Reads and checks the superblock against the size of the image.
Result<Superblock> parse_superblock(Bytes image, std::string_view name);

/// A place in metadata: the block's absolute offset, and the offset in its unpacked bytes.
struct MetaPosition {
  std::uint64_t block = 0;
  std::uint32_t offset = 0;
};

/// An inode reference as directories and the superblock hold it, relative to `table`.
inline MetaPosition position_of(std::uint64_t ref, std::uint64_t table) {
  return {table + (ref >> 16 & 0xffffffffffffU), static_cast<std::uint32_t>(ref & 0xffffU)};
}

class MetadataReader {
 public:
  /// The image must outlive the reader.
  MetadataReader(Bytes image, BlockDecoder decoder, std::string name)
      : image_(image), decoder_(std::move(decoder)), name_(std::move(name)) {}

  /// Fills `out` from `at` on, crossing blocks, and moves `at`.
  Result<void> read(MetaPosition& at, MutableBytes out);
  Result<void> skip(MetaPosition& at, std::uint64_t count);
  template <class T>
  Result<T> read(MetaPosition& at) {
    std::array<std::byte, sizeof(T)> raw{};
    TRY_DO(read(at, MutableBytes(raw)));
    return load_le<T>(raw, 0);
  }

  /// Position of entry `index` of a lookup table: an array of block offsets at `table`, the blocks
  /// full of entries of `entry_size` bytes.
  Result<MetaPosition> table_entry(std::uint64_t table, std::uint64_t index,
                                   std::uint64_t entry_size) const;

  template <class... Args>
  Failure bad(fmt::format_string<Args...> text, Args&&... args) const {
    return bad_input("{}: {}", name_, fmt::format(text, std::forward<Args>(args)...));
  }
  Bytes image() const { return image_; }
  BlockDecoder& decoder() { return decoder_; }

 private:
  struct Block {
    std::uint64_t begin = kNoTable;  ///< absolute offset of its length word
    std::uint64_t end = 0;           ///< where the next block begins
    std::vector<std::byte> data;
  };
  Result<const Block*> load(std::uint64_t begin);

  Bytes image_;
  BlockDecoder decoder_;
  std::string name_;
  std::array<Block, 64> cache_;  ///< direct mapped: 512 KiB at most
};

}  // namespace flense::codec::squash
