#include "codec/squashfs/inode.h"

#include <array>

namespace flense::codec::squash {

namespace {

constexpr std::uint16_t kFirstExtended = 8;
constexpr std::uint16_t kLastType = 14;
constexpr std::uint32_t kMaxTarget = 65535;
constexpr std::uint32_t kMaxXattrs = 1024;
constexpr std::size_t kMaxXattrBytes = 1u << 20;
constexpr std::uint16_t kValueElsewhere = 0x100;

Result<std::string> read_text(MetadataReader& metadata, MetaPosition& at, std::size_t size) {
  std::string out(size, '\0');
  TRY_DO(metadata.read(at, std::as_writable_bytes(std::span(out))));
  return out;
}

/// Directory listings count three bytes for the "." and ".." that are not stored.
std::uint64_t listing_size(std::uint32_t stored) {
  return stored < 3 ? 0 : stored - 3;
}

Result<void> read_directory(MetadataReader& metadata, MetaPosition& at, bool extended,
                            Inode& inode) {
  if (extended) {
    TRY(inode.links, metadata.read<std::uint32_t>(at));
    TRY(const auto size, metadata.read<std::uint32_t>(at));
    inode.size = listing_size(size);
    TRY(inode.listing_block, metadata.read<std::uint32_t>(at));
    TRY_DO(metadata.skip(at, 4 + 2));  // parent, count of index entries
    TRY(inode.listing_offset, metadata.read<std::uint16_t>(at));
    TRY(inode.xattr, metadata.read<std::uint32_t>(at));
    return {};
  }
  TRY(inode.listing_block, metadata.read<std::uint32_t>(at));
  TRY(inode.links, metadata.read<std::uint32_t>(at));
  TRY(const auto size, metadata.read<std::uint16_t>(at));
  inode.size = listing_size(size);
  TRY(inode.listing_offset, metadata.read<std::uint16_t>(at));
  return {};
}

Result<void> read_file(MetadataReader& metadata, MetaPosition& at, bool extended, Inode& inode) {
  if (extended) {
    TRY(inode.blocks_begin, metadata.read<std::uint64_t>(at));
    TRY(inode.size, metadata.read<std::uint64_t>(at));
    TRY_DO(metadata.skip(at, 8));  // bytes saved by holes
    TRY(inode.links, metadata.read<std::uint32_t>(at));
    TRY(inode.fragment, metadata.read<std::uint32_t>(at));
    TRY(inode.fragment_offset, metadata.read<std::uint32_t>(at));
    TRY(inode.xattr, metadata.read<std::uint32_t>(at));
  } else {
    TRY(inode.blocks_begin, metadata.read<std::uint32_t>(at));
    TRY(inode.fragment, metadata.read<std::uint32_t>(at));
    TRY(inode.fragment_offset, metadata.read<std::uint32_t>(at));
    TRY(inode.size, metadata.read<std::uint32_t>(at));
  }
  inode.block_words = at;
  return {};
}

Result<void> read_symlink(MetadataReader& metadata, MetaPosition& at, bool extended, Inode& inode) {
  TRY(inode.links, metadata.read<std::uint32_t>(at));
  TRY(const auto size, metadata.read<std::uint32_t>(at));
  if (size > kMaxTarget)
    return metadata.bad("a symbolic link claims a target of {} bytes at offset {:#x}+{}", size,
                        at.block, at.offset);
  TRY(inode.target, read_text(metadata, at, size));
  if (extended) {
    TRY(inode.xattr, metadata.read<std::uint32_t>(at));
  }
  return {};
}

}  // namespace

Result<Inode> read_inode(MetadataReader& metadata, MetaPosition at) {
  const MetaPosition begin = at;
  Inode inode;
  TRY(const auto type, metadata.read<std::uint16_t>(at));
  if (type == 0 || type > kLastType)
    return metadata.bad("the inode at offset {:#x}+{} has the unknown type {}", begin.block,
                        begin.offset, type);
  const bool extended = type >= kFirstExtended;
  inode.kind = static_cast<InodeKind>(extended ? type - 7 : type);
  TRY(const auto mode, metadata.read<std::uint16_t>(at));
  inode.mode = mode & 07777U;
  TRY(inode.uid_index, metadata.read<std::uint16_t>(at));
  TRY(inode.gid_index, metadata.read<std::uint16_t>(at));
  TRY(inode.mtime, metadata.read<std::uint32_t>(at));
  TRY_DO(metadata.skip(at, 4));  // inode number
  switch (inode.kind) {
    case InodeKind::kDirectory:
      TRY_DO(read_directory(metadata, at, extended, inode));
      break;
    case InodeKind::kFile:
      TRY_DO(read_file(metadata, at, extended, inode));
      break;
    case InodeKind::kSymlink:
      TRY_DO(read_symlink(metadata, at, extended, inode));
      break;
    case InodeKind::kBlockDevice:
    case InodeKind::kCharDevice: {
      TRY(inode.links, metadata.read<std::uint32_t>(at));
      TRY(inode.device, metadata.read<std::uint32_t>(at));
      if (extended) {
        TRY(inode.xattr, metadata.read<std::uint32_t>(at));
      }
      break;
    }
    case InodeKind::kFifo:
    case InodeKind::kSocket: {
      TRY(inode.links, metadata.read<std::uint32_t>(at));
      if (extended) {
        TRY(inode.xattr, metadata.read<std::uint32_t>(at));
      }
      break;
    }
  }
  return inode;
}

Result<std::map<std::string, std::string>> read_xattrs(MetadataReader& metadata,
                                                       const Superblock& super,
                                                       std::uint32_t index) {
  std::map<std::string, std::string> out;
  // The table: where the pairs begin, the number of attribute lists, then a lookup table.
  TRY(const Bytes table,
      slice(metadata.image(), super.xattr_table, 16, "the squashfs xattr table"));
  const auto pairs_begin = load_le<std::uint64_t>(table, 0);
  const auto lists = load_le<std::uint32_t>(table, 8);
  if (index >= lists) return metadata.bad("an inode names xattr list {} of {}", index, lists);
  TRY(MetaPosition at, metadata.table_entry(super.xattr_table + 16, index, 16));
  TRY(const auto ref, metadata.read<std::uint64_t>(at));
  TRY(const auto count, metadata.read<std::uint32_t>(at));
  if (count > kMaxXattrs) return metadata.bad("an inode has {} extended attributes", count);
  MetaPosition pair = position_of(ref, pairs_begin);
  std::size_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY(const auto type, metadata.read<std::uint16_t>(pair));
    TRY(const auto name_size, metadata.read<std::uint16_t>(pair));
    static constexpr auto kPrefixes =
        std::to_array<std::string_view>({"user.", "trusted.", "security."});
    const auto prefix = static_cast<std::size_t>(type & 0xffU);
    if (prefix >= kPrefixes.size())
      return metadata.bad("an extended attribute has the unknown name space {}", prefix);
    TRY(const std::string name, read_text(metadata, pair, name_size));
    TRY(const auto value_size, metadata.read<std::uint32_t>(pair));
    MetaPosition value_at = pair;
    std::uint32_t size = value_size;
    if ((type & kValueElsewhere) != 0) {
      if (value_size != 8) return metadata.bad("a shared extended attribute has no reference");
      TRY(const auto shared, metadata.read<std::uint64_t>(pair));
      value_at = position_of(shared, pairs_begin);
      TRY(size, metadata.read<std::uint32_t>(value_at));
    }
    total += name_size;
    if (size > kMaxXattrBytes || total + size > kMaxXattrBytes)
      return metadata.bad("the extended attributes of an inode exceed {} bytes", kMaxXattrBytes);
    total += size;
    TRY(out[std::string(kPrefixes[prefix]) + name], read_text(metadata, value_at, size));
    if ((type & kValueElsewhere) == 0) pair = value_at;
  }
  return out;
}

}  // namespace flense::codec::squash
