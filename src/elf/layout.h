// Where everything goes: the program headers after the cuts, their table, and the mapping of file
// offsets for all bytes that the loader maps.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "elf/cuts.h"
#include "elf/edit.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf {

/// A run of input bytes that stay together, and where it goes. `extra` bytes follow it that the
/// input does not have.
struct Interval {
  Range in;
  std::uint64_t out = 0;
  std::uint64_t extra = 0;
};

/// The runs in file order, each as early as it can be with its offset unchanged modulo the granule.
class Placement {
 public:
  /// `kept` need not be sorted. No run continues across `extended_at`, where `extra` bytes go.
  static Placement make(std::vector<Range> kept, std::uint64_t page,
                        std::optional<std::uint64_t> extended_at, std::uint64_t extra);

  const std::vector<Interval>& intervals() const { return intervals_; }
  std::uint64_t map(std::uint64_t offset) const;
  /// Where what stays of the bytes before `offset` ends.
  std::uint64_t map_end(std::uint64_t offset) const;
  /// The bytes stay in place relative to their surroundings.
  bool keeps(const Range& range) const;
  std::uint64_t end() const;

 private:
  std::vector<Interval> intervals_;
};

/// The program header table: in its old place, in freed pages of an edited section, or behind the
/// first load segment.
struct HeaderTable {
  enum class Place : std::uint8_t { kSame, kFreed, kFirstLoadEnd };
  Place place = Place::kSame;
  std::uint64_t capacity = 0;  ///< bytes set aside
  std::optional<Range> freed;  ///< kFreed: its address range
  std::uint64_t address = 0;   ///< 0 when the table is not mapped
  std::uint64_t offset = 0;    ///< in the output
};

struct Layout {
  std::vector<Cut> cuts;
  std::vector<Segment> segments;  ///< as written
  HeaderTable table;
  Placement placement;
  unsigned load_segments = 0;
};

/// Errors (bad input): no room for the program headers; a segment reaches into a cut.
Result<Layout> lay_out(const File& file, const EditPlan& plan);

}  // namespace flense::elf
