#include <algorithm>

#include "elf/layout.h"

namespace flense::elf {

Placement Placement::make(std::vector<Range> kept, std::uint64_t page,
                          std::optional<std::uint64_t> extended_at, std::uint64_t extra) {
  Placement placement;
  std::ranges::sort(kept, [](const Range& a, const Range& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  auto& intervals = placement.intervals_;
  for (const Range& range : kept) {
    if (range.empty()) continue;
    Interval* last = intervals.empty() ? nullptr : &intervals.back();
    const bool joins =
        last != nullptr && range.begin <= last->in.end &&
        !(extended_at && last->in.end == *extended_at && range.begin == *extended_at);
    if (joins)
      last->in.end = std::max(last->in.end, range.end);
    else
      intervals.push_back({range, 0, 0});
  }
  std::uint64_t cursor = 0;
  for (Interval& interval : intervals) {
    interval.out = cursor + (interval.in.begin - cursor) % page;
    if (extended_at && interval.in.end == *extended_at) interval.extra = extra;
    cursor = interval.out + interval.in.size() + interval.extra;
  }
  return placement;
}

std::uint64_t Placement::map(std::uint64_t offset) const {
  const auto after = std::ranges::upper_bound(
      intervals_, offset, {}, [](const Interval& interval) { return interval.in.begin; });
  if (after == intervals_.begin()) return offset;
  const Interval& interval = *std::prev(after);
  return interval.out + (offset - interval.in.begin);
}

std::uint64_t Placement::map_end(std::uint64_t offset) const {
  const auto after = std::ranges::lower_bound(
      intervals_, offset, {}, [](const Interval& interval) { return interval.in.begin; });
  if (after == intervals_.begin()) return offset;
  const Interval& interval = *std::prev(after);
  return interval.out + (std::min(offset, interval.in.end) - interval.in.begin);
}

bool Placement::keeps(const Range& range) const {
  const auto after = std::ranges::upper_bound(
      intervals_, range.begin, {}, [](const Interval& interval) { return interval.in.begin; });
  return after != intervals_.begin() && range.end <= std::prev(after)->in.end;
}

std::uint64_t Placement::end() const {
  if (intervals_.empty()) return 0;
  const Interval& last = intervals_.back();
  return last.out + last.in.size() + last.extra;
}

}  // namespace flense::elf
