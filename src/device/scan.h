// Finding regions in the bytes of one section.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/bytes.h"
#include "base/result.h"
#include "device/fatbin.h"

namespace flense::device {

/// Offset of the next region header at or after `from` in steps of 8 bytes; bytes.size() if none.
/// Compares the first eight header bytes, so a hit is nearly always real.
std::size_t find_region_header(Bytes bytes, std::size_t from);

/// What a whole file may cost; shared by the scans of its sections.
struct ScanBudget {
  std::size_t regions = 1'000'000;
  std::size_t entries = 1'000'000;
  /// Headers that turn out not to be regions: each costs a walk over its entries.
  std::size_t false_hits = 10'000;
  /// Of all sections that are searched: those of a sound file do not overlap.
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
};

/// Fills regions and gaps of `code` from the section's bytes; `code` carries the section's offset
/// and address. Regions lie on addresses that are multiples of 8.
Result<void> scan_section(Bytes section, SectionCode& code, ScanBudget& budget);

}  // namespace flense::device
