// The memory that a loader makes of an ELF file, before relocation: what two files must have in
// common however their bytes are laid out in the file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::verify {

/// A run of mapped memory: of bytes of the file, or of zeros.
struct MappedRun {
  elf::Range addresses;
  std::uint32_t flags = 0;  ///< PF_*
  bool zero = false;
  Bytes bytes;  ///< empty when zero
};

class MemoryImage {
 public:
  /// Bad input: load segments that overlap, or reach outside the file.
  static Result<MemoryImage> of(const elf::File& file);

  const std::vector<MappedRun>& runs() const { return runs_; }
  /// The run that holds `address`; null where nothing is mapped.
  const MappedRun* at(std::uint64_t address) const;
  /// The eight bytes at `address`.
  std::optional<std::uint64_t> word(std::uint64_t address) const;
  /// Bytes of the file from `address` on to the end of their run; empty where there are none.
  Bytes bytes_from(std::uint64_t address) const;
  /// Whether [begin, end) is mapped and zero.
  bool is_zero(elf::Range range) const;
  /// The address of the first byte that is not zero or not mapped.
  std::uint64_t first_other_than_zero(elf::Range range) const;

 private:
  std::vector<MappedRun> runs_;
};

/// A place that two images disagree about.
struct MemoryDifference {
  enum class Kind { kByte, kFlags, kUnmapped } kind = Kind::kByte;
  std::uint64_t address = 0, end = 0;
};

/// Calls `visit` with each place of `before` where `after` is different; what it returns is the
/// address from which on to compare further, of bytes at least one more than the given one.
void compare_memory(const MemoryImage& before, const MemoryImage& after,
                    const std::function<std::uint64_t(const MemoryDifference&)>& visit);

}  // namespace flense::verify
