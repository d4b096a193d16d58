// Inodes and extended attributes of squashfs 4.0.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "codec/squashfs/metadata.h"

namespace flense::codec::squash {

enum class InodeKind : std::uint8_t {
  kDirectory = 1,
  kFile,
  kSymlink,
  kBlockDevice,
  kCharDevice,
  kFifo,
  kSocket
};

inline constexpr std::uint32_t kNone32 = ~std::uint32_t{0};  ///< no fragment, no xattrs

struct Inode {
  InodeKind kind = InodeKind::kFile;
  std::uint32_t mode = 0;  ///< permission bits
  std::uint16_t uid_index = 0, gid_index = 0;
  std::uint32_t mtime = 0, links = 1, xattr = kNone32;
  std::string target;        ///< symbolic links
  std::uint32_t device = 0;  ///< device files, as the kernel encodes it
  std::uint64_t size = 0;    ///< files: content; directories: bytes of listing
  // Files: where the blocks are, and where their size words are.
  std::uint64_t blocks_begin = 0;
  MetaPosition block_words;
  std::uint32_t fragment = kNone32, fragment_offset = 0;
  // Directories: the listing, relative to the directory table.
  std::uint32_t listing_block = 0;
  std::uint16_t listing_offset = 0;
};

Result<Inode> read_inode(MetadataReader& metadata, MetaPosition at);

/// Attributes by full name; at most 1024 of them and 1 MiB for one inode.
Result<std::map<std::string, std::string>> read_xattrs(MetadataReader& metadata,
                                                       const Superblock& super,
                                                       std::uint32_t index);

}  // namespace flense::codec::squash
