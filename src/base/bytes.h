// Bounds-checked views over hostile bytes. flense never casts mapped bytes to a struct: it reads
// little-endian integers through these functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/checked.h"
#include "base/result.h"

namespace flense {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Little-endian load; the caller has checked that `offset + sizeof(T)` lies in `bytes`.
template <class T>
  requires std::is_integral_v<T>
T load_le(Bytes bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  return value;
}

template <class T>
  requires std::is_integral_v<T>
void store_le(MutableBytes bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// [offset, offset + size) of `bytes`, or a bad-input error that names `what` and the offset.
Result<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t size, std::string_view what);

/// Sequential reader over a view; errors carry the absolute offset and what was being read.
class ByteReader {
 public:
  /// `base` is the absolute offset of bytes[0] in the file, for messages only.
  explicit ByteReader(Bytes bytes, std::string_view what, std::uint64_t base = 0)
      : bytes_(bytes), what_(what), base_(base) {}

  template <class T>
    requires std::is_integral_v<T>
  Result<T> read(std::string_view field) {
    if (remaining() < sizeof(T)) return truncated(field, sizeof(T));
    T value = load_le<T>(bytes_, position_);
    position_ += sizeof(T);
    return value;
  }
  Result<Bytes> read_bytes(std::uint64_t size, std::string_view field);
  Result<void> skip(std::uint64_t size, std::string_view field);
  Result<void> seek(std::uint64_t position);

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

 private:
  Failure truncated(std::string_view field, std::uint64_t wanted) const;

  Bytes bytes_;
  std::string what_;
  std::uint64_t base_;
  std::size_t position_ = 0;
};

}  // namespace flense
