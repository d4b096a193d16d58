#include "base/bytes.h"

namespace flense {

Result<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t size, std::string_view what) {
  if (!range_fits(offset, size, bytes.size()))
    return bad_input("{} at offset {:#x} needs {} bytes, but the data ends at {:#x}", what, offset,
                     size, bytes.size());
  return bytes.subspan(offset, size);
}

Failure ByteReader::truncated(std::string_view field, std::uint64_t wanted) const {
  return bad_input("{}: {} at offset {:#x} needs {} bytes, {} are left", what_, field,
                   base_ + position_, wanted, remaining());
}

Result<Bytes> ByteReader::read_bytes(std::uint64_t size, std::string_view field) {
  if (size > remaining()) return truncated(field, size);
  Bytes out = bytes_.subspan(position_, size);
  position_ += size;
  return out;
}

Result<void> ByteReader::skip(std::uint64_t size, std::string_view field) {
  if (size > remaining()) return truncated(field, size);
  position_ += size;
  return {};
}

Result<void> ByteReader::seek(std::uint64_t position) {
  if (position > bytes_.size())
    return bad_input("{}: offset {:#x} lies beyond the end at {:#x}", what_, base_ + position,
                     base_ + bytes_.size());
  position_ = position;
  return {};
}

}  // namespace flense
