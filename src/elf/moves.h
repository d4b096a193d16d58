// Where the pieces of a plan go, checked: the mapping from old to new addresses.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "elf/edit.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf {

struct Move {
  std::uint64_t old_address = 0, old_size = 0, new_address = 0, new_size = 0;
  bool identical = false;  ///< same place, same bytes
};

class Moves {
 public:
  /// Errors: pieces that overlap, leave their section, or whose parts do not add up.
  static Result<Moves> make(const File& file, const EditPlan& plan);

  bool empty() const { return sections_.empty(); }
  /// Address ranges of the edited sections, sorted.
  const std::vector<Range>& sections() const { return sections_; }
  bool edits(std::uint64_t address) const;
  /// The piece that began at `address`.
  const Move* at(std::uint64_t address) const;
  /// True when the byte at `address` neither moves nor changes.
  bool keeps(std::uint64_t address) const;

 private:
  std::vector<Range> sections_;
  std::vector<Move> moves_;  ///< by old address
};

}  // namespace flense::elf
