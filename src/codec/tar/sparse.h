// The sparse maps of GNU tar: old GNU headers and PAX formats 0.0, 0.1 and 1.0 (GNU tar manual,
// "Storing Sparse Files").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::codec::tar {

/// A run of stored data; what lies between runs reads as zeros.
struct SparseSpan {
  std::uint64_t offset = 0, size = 0;
};

struct OldSparse {
  std::vector<SparseSpan> spans;
  bool more = false;  ///< extension blocks follow
  std::uint64_t real_size = 0;
};
Result<OldSparse> parse_old_sparse(Bytes header_block);
Result<OldSparse> parse_old_sparse_extension(Bytes block);

/// "offset,size,offset,size": formats 0.0 (joined) and 0.1.
Result<std::vector<SparseSpan>> parse_sparse_list(std::string_view text);

/// Format 1.0: decimal lines in the payload, block by block.
class SparseMapLines {
 public:
  Result<void> feed(Bytes block);
  bool complete() const { return have_count_ && numbers_.size() == 2 * count_; }
  std::vector<SparseSpan> take() const;

 private:
  std::string line_;
  std::vector<std::uint64_t> numbers_;
  std::uint64_t count_ = 0;
  bool have_count_ = false;
};

/// Why the map cannot be: overlapping, beyond the size, or not matching the stored bytes. Null when
/// it is sound.
const char* check_sparse(const std::vector<SparseSpan>& spans, std::uint64_t real_size,
                         std::uint64_t stored_size);

}  // namespace flense::codec::tar
