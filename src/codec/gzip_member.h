// Whole gzip members (RFC 1952), each readable without those before it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::codec {

/// The level that stands for 0, the default.
int gzip_level(int level);

/// One per thread: holds zlib's state, reused for every member.
class GzipMemberPacker {
 public:
  /// `level` is 1 to 9.
  explicit GzipMemberPacker(int level);
  GzipMemberPacker(const GzipMemberPacker&) = delete;
  GzipMemberPacker& operator=(const GzipMemberPacker&) = delete;
  ~GzipMemberPacker();
  /// `parts`, one after the other, as one member in `out`.
  Result<void> pack(std::span<const Bytes> parts, std::vector<std::byte>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flense::codec
