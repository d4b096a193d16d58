#include "elf/cuts.h"

#include <algorithm>

#include "base/checked.h"
#include "elf/editable.h"

namespace flense::elf {
namespace {

/// A gap between kept pieces costs up to two segments; below this size it stays as zeros.
constexpr std::uint64_t kLeastInnerCut = 64U << 10;
/// Load segments of a shared library: each costs the loader a system call and stack.
constexpr std::size_t kMaxLoads = 64;
/// Program headers of an executable: many kernels read at most one page of them.
constexpr std::size_t kMaxExecutableHeaders = 73;

std::optional<std::size_t> load_of(const File& file, const Range& range) {
  for (std::size_t i = 0; i < file.segments().size(); ++i) {
    const Segment& segment = file.segments()[i];
    if (segment.type == PT_LOAD && range.begin >= segment.address &&
        range.end <= segment.address + segment.file_size)
      return i;
  }
  return std::nullopt;
}

/// The whole pages of `gap`. A gap that ends the file bytes of its segment goes to their very end:
/// there is nothing after it that would need a page. Memory that follows them (.bss) becomes one
/// with the cut, where the segment may cover it.
Range whole_pages(const Range& gap, const Segment& load, std::uint64_t page) {
  const auto begin = align_up(gap.begin, page);
  if (!begin) return {};
  const bool ends_segment = gap.end == load.address + load.file_size &&
                            (load.file_size == load.memory_size || covers_cuts(load));
  return {*begin, ends_segment ? gap.end : align_down(gap.end, page)};
}

std::size_t count_headers(const File& file, const std::vector<Cut>& cuts, bool loads_only) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < file.segments().size(); ++i) {
    if (file.segments()[i].type != PT_LOAD) {
      count += loads_only ? 0 : 1;
      continue;
    }
    std::vector<Cut> own;
    std::ranges::copy_if(cuts, std::back_inserter(own), [&](const Cut& c) { return c.load == i; });
    std::ranges::sort(own, {}, [](const Cut& cut) { return cut.range.begin; });
    count += loads_after(file.segments()[i], own);
  }
  return count;
}

/// Leaves out the smallest cuts, section tails last, until the headers fit.
void fit_limit(const File& file, std::vector<Cut>& cuts) {
  const bool program = is_executable(file);
  const std::size_t limit = program ? kMaxExecutableHeaders : kMaxLoads;
  std::ranges::sort(cuts, [](const Cut& a, const Cut& b) {
    if (a.kind != b.kind) return a.kind < b.kind;
    if (a.range.size() != b.range.size()) return a.range.size() > b.range.size();
    return a.range.begin < b.range.begin;
  });
  // A cut adds two headers at most, so at least half of the excess has to go.
  while (!cuts.empty() && count_headers(file, cuts, !program) > limit) {
    const std::size_t excess = count_headers(file, cuts, !program) - limit;
    cuts.resize(cuts.size() - std::min(cuts.size(), std::max<std::size_t>(1, excess / 2)));
  }
  std::ranges::sort(cuts, {}, [](const Cut& cut) { return cut.range.begin; });
}

}  // namespace

std::vector<Range> occupied_ranges(const SectionEdit& edit, const std::optional<Range>& table) {
  std::vector<Range> ranges;
  for (const Piece& piece : edit.pieces)
    if (piece.new_size != 0)
      ranges.push_back({piece.new_address, piece.new_address + piece.new_size});
  if (table) ranges.push_back(*table);
  std::ranges::sort(ranges, {}, &Range::begin);
  return ranges;
}

std::vector<Range> gaps_of(const Section& section, const std::vector<Range>& occupied) {
  std::vector<Range> gaps;
  std::uint64_t from = section.address;
  for (const Range& range : occupied) {
    if (range.begin > from) gaps.push_back({from, range.begin});
    from = range.end;
  }
  const std::uint64_t end = section.address + section.size;
  if (from < end) gaps.push_back({from, end});
  return gaps;
}

std::vector<Cut> find_cuts(const File& file, const EditPlan& plan,
                           const std::optional<Range>& table) {
  const std::uint64_t page = granule(file.machine());
  std::vector<Cut> cuts;
  for (const SectionEdit& edit : plan.sections) {
    const Section& section = file.sections()[edit.section];
    const Range whole{section.address, section.address + section.size};
    const auto load = load_of(file, whole);
    if (!load) continue;
    const bool here = table && whole.contains(table->begin);
    for (const Range& gap : gaps_of(section, occupied_ranges(edit, here ? table : std::nullopt))) {
      const Range pages = whole_pages(gap, file.segments()[*load], page);
      const bool tail = gap.end == whole.end;
      if (pages.empty() || (!tail && pages.size() < kLeastInnerCut)) continue;
      cuts.push_back({pages, edit.section, *load, tail ? Cut::Kind::kTail : Cut::Kind::kInner});
    }
  }
  fit_limit(file, cuts);
  return cuts;
}

bool covers_cuts(const Segment& load) {
  return (load.flags & PF_X) == 0;
}

std::uint64_t end_in_memory(const Segment& load, const Cut& cut) {
  const bool ends_file_bytes = cut.range.end == load.address + load.file_size;
  return ends_file_bytes && covers_cuts(load) ? load.address + load.memory_size : cut.range.end;
}

std::size_t loads_after(const Segment& load, const std::vector<Cut>& cuts) {
  std::size_t count = 0;
  std::uint64_t from = load.address;
  for (const Cut& cut : cuts) {
    const bool before = cut.range.begin > from;
    count += before && !covers_cuts(load) ? 2U : 1U;
    from = end_in_memory(load, cut);
  }
  return count + (load.address + load.memory_size > from || cuts.empty() ? 1 : 0);
}

}  // namespace flense::elf
