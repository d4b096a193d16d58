#include "codec/squashfs/metadata.h"

#include <algorithm>
#include <bit>

namespace flense::codec::squash {

namespace {

constexpr std::size_t kSuperblockSize = 96;
constexpr std::uint32_t kMagic = 0x73717368;  // "hsqs"
constexpr std::uint16_t kStoredWhole = 0x8000;

}  // namespace

Result<Superblock> parse_superblock(Bytes image, std::string_view name) {
  if (image.size() < kSuperblockSize)
    return bad_input("{}: a squashfs superblock needs {} bytes, {} are there", name,
                     kSuperblockSize, image.size());
  const auto u16 = [&](std::size_t at) { return load_le<std::uint16_t>(image, at); };
  const auto u32 = [&](std::size_t at) { return load_le<std::uint32_t>(image, at); };
  const auto u64 = [&](std::size_t at) { return load_le<std::uint64_t>(image, at); };
  if (u32(0) != kMagic) return bad_input("{}: expected a squashfs superblock at offset 0", name);
  if (u16(28) != 4 || u16(30) != 0)
    return bad_input("{}: squashfs {}.{} is not supported, only 4.0", name, u16(28), u16(30));
  Superblock out;
  out.inode_count = u32(4);
  out.block_size = u32(12);
  out.fragment_count = u32(16);
  out.compressor = u16(20);
  out.id_count = u16(26);
  out.root_ref = u64(32);
  out.bytes_used = u64(40);
  out.id_table = u64(48);
  out.xattr_table = u64(56);
  out.inode_table = u64(64);
  out.directory_table = u64(72);
  out.fragment_table = u64(80);
  if (!std::has_single_bit(out.block_size) || out.block_size < 4096 ||
      out.block_size > (1u << 20) || u16(22) != std::countr_zero(out.block_size))
    return bad_input("{}: the squashfs block size {} is impossible", name, out.block_size);
  if (out.bytes_used < kSuperblockSize || out.bytes_used > image.size())
    return cut_off("{}: the squashfs claims {} bytes, {} are there: it is truncated", name,
                   out.bytes_used, image.size());
  for (const auto& [what, at] :
       {std::pair("inode", out.inode_table), std::pair("directory", out.directory_table),
        std::pair("id", out.id_table)})
    if (at < kSuperblockSize || at >= out.bytes_used)
      return bad_input("{}: the squashfs {} table begins at {:#x}, outside the image", name, what,
                       at);
  for (const auto& [what, at] :
       {std::pair("xattr", out.xattr_table), std::pair("fragment", out.fragment_table)})
    if (at != kNoTable && at >= out.bytes_used)
      return bad_input("{}: the squashfs {} table begins at {:#x}, outside the image", name, what,
                       at);
  return out;
}

Result<const MetadataReader::Block*> MetadataReader::load(std::uint64_t begin) {
  Block& slot = cache_[(begin ^ begin >> 6 ^ begin >> 12) % cache_.size()];
  if (slot.begin == begin) return &slot;
  if (!range_fits(begin, 2, image_.size()))
    return bad("a metadata block at offset {:#x} is outside the image", begin);
  const auto word = load_le<std::uint16_t>(image_, begin);
  const std::uint16_t size = word & static_cast<std::uint16_t>(~kStoredWhole);
  if (size == 0 || size > kMetadataSize || !range_fits(begin + 2, size, image_.size()))
    return bad("the metadata block at offset {:#x} claims {} bytes", begin, size);
  const Bytes stored = image_.subspan(begin + 2, size);
  slot.begin = kNoTable;
  if ((word & kStoredWhole) != 0) {
    slot.data.assign(stored.begin(), stored.end());
  } else {
    slot.data.resize(kMetadataSize);
    Result<std::size_t> got = decoder_.decode(stored, slot.data);
    if (!got) return bad("{} at offset {:#x}", got.error().message, begin);
    slot.data.resize(*got);
  }
  slot.begin = begin;
  slot.end = begin + 2 + size;
  return &slot;
}

Result<void> MetadataReader::read(MetaPosition& at, MutableBytes out) {
  while (!out.empty()) {
    TRY(const Block* block, load(at.block));
    if (at.offset >= block->data.size()) {
      // Only a full block is followed by another one of the same table.
      if (at.offset > block->data.size() || block->data.size() < kMetadataSize)
        return bad("metadata ends at offset {:#x}+{}, more was expected", at.block, at.offset);
      at = {block->end, 0};
      continue;
    }
    const std::size_t count = std::min(out.size(), block->data.size() - at.offset);
    std::ranges::copy(Bytes(block->data).subspan(at.offset, count), out.begin());
    out = out.subspan(count);
    at.offset += static_cast<std::uint32_t>(count);
  }
  return {};
}

Result<void> MetadataReader::skip(MetaPosition& at, std::uint64_t count) {
  while (count > 0) {
    TRY(const Block* block, load(at.block));
    if (at.offset >= block->data.size()) {
      if (at.offset > block->data.size() || block->data.size() < kMetadataSize)
        return bad("metadata ends at offset {:#x}+{}, more was expected", at.block, at.offset);
      at = {block->end, 0};
      continue;
    }
    const std::uint64_t step = std::min<std::uint64_t>(count, block->data.size() - at.offset);
    at.offset += static_cast<std::uint32_t>(step);
    count -= step;
  }
  return {};
}

Result<MetaPosition> MetadataReader::table_entry(std::uint64_t table, std::uint64_t index,
                                                 std::uint64_t entry_size) const {
  const std::uint64_t per_block = kMetadataSize / entry_size;
  const auto pointer = checked_add(table, index / per_block * 8);
  if (!pointer || !range_fits(*pointer, 8, image_.size()))
    return bad("entry {} of the table at offset {:#x} is outside the image", index, table);
  return MetaPosition{load_le<std::uint64_t>(image_, *pointer),
                      static_cast<std::uint32_t>(index % per_block * entry_size)};
}

}  // namespace flense::codec::squash
