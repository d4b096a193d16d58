#include "codec/squashfs/content.h"

#include <algorithm>
#include <utility>

namespace flense::codec::squash {

namespace {

constexpr std::uint32_t kStoredPlain = 1u << 24;

}  // namespace

void FileContent::begin(const Inode& file, std::string path) {
  path_ = std::move(path);
  left_ = file.size;
  data_at_ = file.blocks_begin;
  words_ = file.block_words;
  fragment_ = file.fragment;
  fragment_offset_ = file.fragment_offset;
  rest_ = {};
}

void FileContent::clear() {
  left_ = 0;
  rest_ = {};
}

Result<Bytes> FileContent::next(std::size_t max) {
  if (rest_.empty() && left_ > 0) TRY_DO(refill());
  const Bytes out = rest_.first(std::min(max, rest_.size()));
  rest_ = rest_.subspan(out.size());
  return out;
}

Result<Bytes> FileContent::block(std::uint64_t at, std::uint32_t word,
                                 std::vector<std::byte>& buffer) const {
  const std::uint32_t size = word & (kStoredPlain - 1);
  if (size > super_.block_size || !range_fits(at, size, metadata_.image().size()))
    return metadata_.bad("a block of '{}' claims {} bytes at offset {:#x}", path_, size, at);
  const Bytes stored = metadata_.image().subspan(at, size);
  if ((word & kStoredPlain) != 0) return stored;
  buffer.resize(super_.block_size);
  Result<std::size_t> got = metadata_.decoder().decode(stored, buffer);
  if (!got) return metadata_.bad("{}, of '{}' at offset {:#x}", got.error().message, path_, at);
  return Bytes(buffer).first(*got);
}

Result<void> FileContent::refill() {
  const std::uint64_t wanted = std::min<std::uint64_t>(left_, super_.block_size);
  if (wanted < super_.block_size && fragment_ != kNone32) {
    if (cached_fragment_ != fragment_) {
      cached_fragment_ = kNone32;
      if (fragment_ >= super_.fragment_count || super_.fragment_table == kNoTable)
        return metadata_.bad("'{}' names fragment {} of {}", path_, fragment_,
                             super_.fragment_count);
      TRY(MetaPosition at, metadata_.table_entry(super_.fragment_table, fragment_, 16));
      TRY(const auto begin, metadata_.read<std::uint64_t>(at));
      TRY(const auto word, metadata_.read<std::uint32_t>(at));
      TRY(fragment_bytes_, block(begin, word, fragment_buffer_));
      cached_fragment_ = fragment_;
    }
    if (!range_fits(fragment_offset_, wanted, fragment_bytes_.size()))
      return metadata_.bad("the end of '{}' is outside its fragment", path_);
    rest_ = fragment_bytes_.subspan(fragment_offset_, wanted);
    left_ = 0;
    return {};
  }
  TRY(const auto word, metadata_.read<std::uint32_t>(words_));
  if (word == 0) {
    // A hole.
    buffer_.assign(super_.block_size, std::byte{0});
    rest_ = Bytes(buffer_).first(wanted);
  } else {
    TRY(rest_, block(data_at_, word, buffer_));
    data_at_ += word & (kStoredPlain - 1);
    if (rest_.size() != wanted)
      return metadata_.bad("a block of '{}' gives {} bytes, {} were expected", path_, rest_.size(),
                           wanted);
  }
  left_ -= wanted;
  return {};
}

}  // namespace flense::codec::squash
