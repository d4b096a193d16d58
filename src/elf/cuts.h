// Which page ranges leave the file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "elf/edit.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf {

/// An address range, whole pages, whose bytes leave the file.
struct Cut {
  enum class Kind : std::uint8_t { kTail, kInner };
  Range range;
  std::size_t section = 0;  ///< index in File::sections()
  std::size_t load = 0;     ///< index in File::segments()
  Kind kind = Kind::kTail;
};

/// The parts of an edited section that hold something: its new pieces and, at most once, the
/// program header table.
std::vector<Range> occupied_ranges(const SectionEdit& edit, const std::optional<Range>& table);

/// Ranges of the section between and after `occupied`.
std::vector<Range> gaps_of(const Section& section, const std::vector<Range>& occupied);

/// All cuts in address order. When the load segments would exceed their limit, the smallest ones
/// are left out.
std::vector<Cut> find_cuts(const File& file, const EditPlan& plan,
                           const std::optional<Range>& table);

/// Whether the part of the segment before a cut extends over it as zero-filled memory. Otherwise
/// the cut becomes a segment that is not executable.
bool covers_cuts(const Segment& load);

/// Where the memory ends that takes the place of `cut`: what followed the file bytes joins it.
std::uint64_t end_in_memory(const Segment& load, const Cut& cut);

/// Number of PT_LOAD headers that the cuts in segment `load` (all of one segment, in order) make of
/// it.
std::size_t loads_after(const Segment& load, const std::vector<Cut>& cuts);

}  // namespace flense::elf
