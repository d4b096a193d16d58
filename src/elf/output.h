// The output as a list of extents, and writing it as a stream.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "elf/file.h"
#include "elf/format.h"
#include "elf/moves.h"
#include "elf/relink.h"
#include "elf/section_table.h"

namespace flense::elf {

/// A run of output bytes: a range of the input, literal bytes, bytes held elsewhere, or zeros.
struct Extent {
  enum class Kind : std::uint8_t { kInput, kLiteral, kHeld, kZero };
  Kind kind = Kind::kZero;
  std::uint64_t offset = 0;  ///< kInput
  std::uint64_t size = 0;
  std::vector<std::byte> literal = {};
  Bytes elsewhere = {};  ///< kHeld

  static Extent input(std::uint64_t offset, std::uint64_t size);
  static Extent zero(std::uint64_t size);
  static Extent bytes(std::vector<std::byte> literal);
  static Extent held(Bytes elsewhere);
};

/// Extents that take the place of a range of the input; their sizes add up to its size.
struct Replacement {
  Range in;
  std::vector<Extent> with;
};

/// What changes within the input bytes that are copied.
struct Changes {
  std::vector<Patch> patches;        ///< sorted by offset
  std::vector<Range> symbol_tables;  ///< file ranges, sorted
  const Moves* moves = nullptr;
  const SectionTable* sections = nullptr;
};

class Output {
 public:
  void add(Extent extent);
  /// Copies a range of the input; `replacements` are sorted and lie wholly inside or outside it.
  void add_input(const Range& range, const std::vector<Replacement>& replacements);
  Result<void> pad_to(std::uint64_t offset);
  std::uint64_t size() const { return size_; }
  Result<void> write(Bytes input, const Changes& changes, Sink& to) const;

 private:
  std::vector<Extent> extents_;
  std::uint64_t size_ = 0;
};

}  // namespace flense::elf
