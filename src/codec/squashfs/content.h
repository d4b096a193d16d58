// The content of one squashfs file: consecutive data blocks, the tail possibly in a fragment block
// that several files share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/stream.h"
#include "codec/squashfs/inode.h"
#include "codec/squashfs/metadata.h"

namespace flense::codec::squash {

class FileContent final : public Source {
 public:
  /// Both must outlive it.
  FileContent(const Superblock& super, MetadataReader& metadata)
      : super_(super), metadata_(metadata) {}

  void begin(const Inode& file, std::string path);
  void clear();
  Result<Bytes> next(std::size_t max) override;

 private:
  /// The next block, or the tail, into rest_.
  Result<void> refill();
  /// One stored block; `word` holds its size and whether it is compressed.
  Result<Bytes> block(std::uint64_t at, std::uint32_t word, std::vector<std::byte>& buffer) const;

  const Superblock& super_;
  MetadataReader& metadata_;
  std::string path_;
  std::uint64_t left_ = 0;  ///< bytes of the file not yet in rest_
  std::uint64_t data_at_ = 0;
  MetaPosition words_;
  std::uint32_t fragment_ = kNone32, fragment_offset_ = 0;
  Bytes rest_;
  std::vector<std::byte> buffer_;
  // Neighbouring small files share a fragment: the last one is kept decompressed.
  std::uint32_t cached_fragment_ = kNone32;
  Bytes fragment_bytes_;
  std::vector<std::byte> fragment_buffer_;
};

}  // namespace flense::codec::squash
