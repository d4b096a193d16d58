// Pointers to moved pieces: which words of the file change, or why the pieces may not move.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "elf/file.h"
#include "elf/format.h"
#include "elf/moves.h"

namespace flense::elf {

/// Eight bytes at a file offset of the input.
struct Patch {
  std::uint64_t offset = 0, value = 0;
  bool operator==(const Patch&) const = default;
};

/// The patches, sorted by offset. `freed` are address ranges that leave the file besides the edited
/// sections. Errors (bad input): a relocation, a dynamic symbol or a wrapper points into device
/// code that moves or goes but not at the start of a piece; a relocation fills a word inside it;
/// tables of a kind flense does not read.
Result<std::vector<Patch>> relink(const File& file, const Moves& moves,
                                  const std::vector<Range>& freed);

}  // namespace flense::elf
