// Sparse files: runs of zeros take no disk space.
#pragma once

#include <cstdint>
#include <string>

#include "base/stream.h"

namespace flense {

/// Writes a regular file (not owned) from its start. Blocks of zeros become holes, also where
/// something else was written before; finish() is to be called, since a file may end in one.
class HoleSink final : public Sink {
 public:
  HoleSink(int fd, std::string name);
  Result<void> write(Bytes bytes) override;
  Result<void> finish() override;

 private:
  Result<void> put(Bytes bytes, std::uint64_t at);
  Result<void> leave_hole(Bytes zeros, std::uint64_t at);

  int fd_;
  std::string name_;
  std::uint64_t size_ = 0;  ///< of the file as it is
  std::uint64_t position_ = 0;
};

}  // namespace flense
