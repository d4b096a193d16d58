#include "elf/layout.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/checked.h"
#include "elf/editable.h"

namespace flense::elf {
namespace {

constexpr std::uint64_t kTableAlignment = 8;

std::uint64_t table_bytes(std::size_t headers) {
  return headers * kProgramHeaderSize;
}

/// The headers after the cuts; offsets still are those of the input.
std::vector<Segment> split_segments(const File& file, const std::vector<Cut>& cuts) {
  std::vector<Segment> out;
  for (std::size_t i = 0; i < file.segments().size(); ++i) {
    const Segment& segment = file.segments()[i];
    std::uint64_t from = segment.address;
    const auto part = [&](std::uint64_t begin, std::uint64_t file_size, std::uint64_t memory_size,
                          std::uint32_t flags) {
      Segment piece = segment;
      const std::uint64_t delta = begin - segment.address;
      piece.flags = flags;
      piece.offset += delta;
      piece.address += delta;
      piece.physical += delta;
      piece.file_size = file_size;
      piece.memory_size = memory_size;
      out.push_back(piece);
    };
    bool split = false;
    for (const Cut& cut : cuts) {
      if (cut.load != i) continue;
      split = true;
      const bool before = cut.range.begin > from;
      const bool covers = before && covers_cuts(segment);
      const std::uint64_t kept = cut.range.begin - from;
      const std::uint64_t end = end_in_memory(segment, cut);
      if (before) part(from, kept, covers ? end - from : kept, segment.flags);
      if (!covers) part(cut.range.begin, 0, end - cut.range.begin, PF_R | (segment.flags & PF_W));
      from = end;
    }
    const std::uint64_t done = from - segment.address;
    if (!split)
      out.push_back(segment);
    else if (done < segment.memory_size)
      part(from, segment.file_size - std::min(done, segment.file_size), segment.memory_size - done,
           segment.flags);
  }
  return out;
}

/// PT_LOAD that maps the file header, when it comes first.
std::optional<std::size_t> first_load(const File& file) {
  const auto loads = load_indices(file);
  if (loads.empty() || file.segments()[loads.front()].offset != 0 ||
      file.segments()[loads.front()].file_size < kFileHeaderSize)
    return std::nullopt;
  return loads.front();
}

/// Bytes from the old table's begin up to the next thing in the file, within the same segment.
std::uint64_t old_capacity(const File& file) {
  const std::uint64_t begin = file.program_header_offset();
  const std::uint64_t old_end = begin + table_bytes(file.segments().size());
  std::uint64_t end = file.bytes().size();
  const auto stop_at = [&](std::uint64_t offset) {
    if (offset > begin) end = std::min(end, std::max(offset, old_end));
  };
  for (const Section& section : file.sections())
    if (has_file_bytes(section) && !is_header_table(file, section)) stop_at(section.offset);
  stop_at(file.section_header_offset());
  bool mapped = false;
  for (const Segment& segment : file.segments()) {
    if (segment.type == PT_PHDR || segment.file_size == 0) continue;
    stop_at(segment.offset);
    if (segment.type == PT_LOAD && file_range(segment).contains(begin)) {
      mapped = true;
      stop_at(segment.offset + segment.file_size);
    }
  }
  return mapped ? end - begin : old_end - begin;
}

std::optional<Range> room_in_freed(const File& file, const EditPlan& plan, std::size_t load,
                                   std::uint64_t size) {
  const Segment& segment = file.segments()[load];
  if ((segment.flags & PF_W) != 0) return std::nullopt;
  std::vector<Range> gaps;
  for (const SectionEdit& edit : plan.sections) {
    const Section& section = file.sections()[edit.section];
    if (section.address < segment.address ||
        section.address + section.size > segment.address + segment.file_size)
      continue;
    std::ranges::copy(gaps_of(section, occupied_ranges(edit, std::nullopt)),
                      std::back_inserter(gaps));
  }
  std::ranges::sort(gaps, {}, &Range::begin);
  // The last gap first: there the table does not come between pieces. In a program the first: no
  // cut may come before the table (check_executable).
  if (!is_executable(file)) std::ranges::reverse(gaps);
  for (const Range& gap : gaps) {
    const auto begin = align_up(gap.begin, kTableAlignment);
    if (begin && range_fits(*begin, size, gap.end)) return Range{*begin, *begin + size};
  }
  return std::nullopt;
}

/// Where the table goes when it is put behind the segment that maps the file header, as the number
/// of bytes that the segment (its last part, when it is cut) grows by; nullopt when the next
/// segment's first page is too near.
std::optional<std::uint64_t> room_behind(const File& file, std::size_t load,
                                         const std::vector<Cut>& cuts, std::uint64_t size) {
  const Segment& segment = file.segments()[load];
  if (segment.file_size != segment.memory_size || (segment.flags & PF_W) != 0) return std::nullopt;
  const std::uint64_t end = segment.address + segment.memory_size;
  // The kernel wants the table in the very first part.
  for (const Cut& cut : cuts)
    if (cut.load == load && (is_executable(file) || cut.range.end == end)) return std::nullopt;
  const auto begin = align_up(end, kTableAlignment);
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  for (const std::size_t i : load_indices(file))
    if (i != load && file.segments()[i].address >= end)
      limit = std::min(limit, align_down(file.segments()[i].address, granule(file.machine())));
  if (!begin || *begin > limit || size > limit - *begin) return std::nullopt;
  return *begin - end + size;
}

/// Takes out headers that say nothing: PT_NULL, and on x86-64 a PT_NOTE for the very bytes that
/// PT_GNU_PROPERTY names.
void drop_spare_headers(const File& file, std::vector<Segment>& segments) {
  std::erase_if(segments, [&](const Segment& segment) {
    if (segment.type == PT_NULL) return true;
    return segment.type == PT_NOTE && file.machine() == EM_X86_64 &&
           std::ranges::any_of(file.segments(), [&](const Segment& other) {
             return other.type == PT_GNU_PROPERTY && other.address == segment.address &&
                    other.file_size == segment.file_size;
           });
  });
}

/// Chooses the table's place and, for kFirstLoadEnd, grows the first load segment. May change
/// `cuts` and `segments`: a table in freed space keeps the pages it lies in.
Result<HeaderTable> place_table(const File& file, const EditPlan& plan, std::vector<Cut>& cuts,
                                std::vector<Segment>& segments) {
  HeaderTable table;
  table.capacity = table_bytes(segments.size());
  if (table.capacity <= old_capacity(file)) {
    table.capacity = std::max(table.capacity, table_bytes(file.segments().size()));
    return table;
  }
  const auto first = first_load(file);
  const auto use_freed = [&](std::size_t load) {
    table.freed = room_in_freed(file, plan, load, table.capacity);
    if (!table.freed) return false;
    std::vector<Cut> fewer = find_cuts(file, plan, table.freed);
    std::vector<Segment> with_table = split_segments(file, fewer);
    if (table_bytes(with_table.size()) > table.capacity) return false;
    table.place = HeaderTable::Place::kFreed;
    cuts = std::move(fewer);
    segments = std::move(with_table);
    return true;
  };
  if (first && use_freed(*first)) return table;
  if (first && room_behind(file, *first, cuts, table.capacity)) {
    table.place = HeaderTable::Place::kFirstLoadEnd;
    return table;
  }
  std::vector<Segment> fewer = segments;
  drop_spare_headers(file, fewer);
  if (table_bytes(fewer.size()) <= old_capacity(file)) {
    segments = std::move(fewer);
    table.freed.reset();
    table.capacity = std::max(table_bytes(segments.size()), table_bytes(file.segments().size()));
    return table;
  }
  // The loader of shared libraries finds the table by its offset, in whichever segment.
  if (!is_executable(file)) {
    for (const std::size_t load : load_indices(file))
      if (use_freed(load)) return table;
  }
  return bad_input("there is no room for {} more program headers",
                   segments.size() - file.segments().size());
}

/// What of the input stays where it is relative to its segment.
Result<std::vector<Range>> kept_ranges(const File& file, const Layout& layout) {
  std::vector<Range> kept = {{0, kFileHeaderSize}};
  if (layout.table.place == HeaderTable::Place::kSame && layout.table.capacity != 0)
    kept.push_back(
        {file.program_header_offset(), file.program_header_offset() + layout.table.capacity});
  for (const Segment& segment : layout.segments) {
    if (segment.type == PT_PHDR || segment.type == PT_GNU_RELRO || segment.file_size == 0) continue;
    const Range range = file_range(segment);
    for (const Cut& cut : layout.cuts) {
      const Section& section = file.sections()[cut.section];
      const std::uint64_t begin = section.offset + (cut.range.begin - section.address);
      if (range.intersects({begin, begin + cut.range.size()}))
        return bad_input("a program header of type {:#x} covers device code that would be removed",
                         segment.type);
    }
    kept.push_back(range);
  }
  return kept;
}

/// Loaders map and clear the page in which a segment without file bytes begins: the file must have
/// one there. `offset` if it does, else the last that is congruent.
std::uint64_t offset_of_empty(std::uint64_t offset, const Placement& placement,
                              std::uint64_t page) {
  const std::uint64_t end = placement.end();
  if (offset < end || end < page) return offset;
  const std::uint64_t last = align_down(end - 1, page) + offset % page;
  return last < end ? last : last - page;
}

/// The kernel's loader is less forgiving than glibc's: nothing else may share the pages in which
/// the program headers lie.
Result<void> check_executable(const File& file, const Layout& layout) {
  if (!is_executable(file) || layout.table.place == HeaderTable::Place::kSame) return {};
  const std::uint64_t page = granule(file.machine());
  const Range table{layout.table.offset, layout.table.offset + table_bytes(layout.segments.size())};
  const Range pages{align_down(table.begin, page), table.end};
  unsigned mapping = 0;
  for (const Segment& segment : layout.segments) {
    if (segment.type != PT_LOAD || segment.file_size == 0) continue;
    const Range mapped{align_down(segment.offset, page), segment.offset + segment.file_size};
    if (mapped.intersects(pages)) ++mapping;
  }
  if (mapping != 1) return bad_input("two load segments would map the page of the program headers");
  // Before Linux 5.18 AT_PHDR is e_phoff counted from where the first load segment begins.
  const auto first = std::ranges::find(layout.segments, std::uint32_t{PT_LOAD}, &Segment::type);
  if (first == layout.segments.end() ||
      layout.table.address - layout.table.offset != first->address - first->offset)
    return bad_input("older kernels would look for the program headers elsewhere");
  return {};
}

}  // namespace

Result<Layout> lay_out(const File& file, const EditPlan& plan) {
  Layout layout;
  const std::uint64_t page = granule(file.machine());
  layout.cuts = find_cuts(file, plan, std::nullopt);
  layout.segments = split_segments(file, layout.cuts);
  TRY(layout.table, place_table(file, plan, layout.cuts, layout.segments));

  TRY(auto kept, kept_ranges(file, layout));
  std::optional<std::uint64_t> extended_at;
  std::uint64_t extra = 0;
  std::uint64_t& table_address = layout.table.address;
  if (layout.table.place == HeaderTable::Place::kFirstLoadEnd) {
    const std::size_t first = *first_load(file);
    const Segment& load = file.segments()[first];
    const std::uint64_t end = load.address + load.memory_size;
    extended_at = load.offset + load.file_size;
    extra = *room_behind(file, first, layout.cuts, layout.table.capacity);
    table_address = end + extra - layout.table.capacity;
    const auto grown = std::ranges::find_if(layout.segments, [&](const Segment& segment) {
      return segment.type == PT_LOAD && segment.file_size != 0 &&
             segment.address + segment.file_size == end;
    });
    grown->file_size += extra;
    grown->memory_size += extra;
  }
  for (const Section& section : file.sections()) {
    const bool cut = std::ranges::any_of(layout.cuts, [&](const Cut& candidate) {
      return &file.sections()[candidate.section] == &section;
    });
    if (!cut && has_file_bytes(section) && (section.flags & SHF_ALLOC) != 0 &&
        !is_header_table(file, section))
      kept.push_back(file_range(section));
  }
  layout.placement = Placement::make(std::move(kept), page, extended_at, extra);
  const auto& intervals = layout.placement.intervals();
  const auto extended =
      std::ranges::find_if(intervals, [](const Interval& interval) { return interval.extra != 0; });
  if (extended_at && extended == intervals.end())
    return bad_input("a program header reaches over the end of the first load segment");

  for (Segment& segment : layout.segments) {
    if (segment.type == PT_PHDR) continue;
    const std::uint64_t file_end = segment.offset + segment.file_size;
    segment.offset = layout.placement.map(segment.offset);
    // The only one that may reach over a cut, see kept_ranges.
    if (segment.type == PT_GNU_RELRO)
      segment.file_size =
          std::max(layout.placement.map_end(file_end), segment.offset) - segment.offset;
    if (segment.type != PT_LOAD) continue;
    if (segment.file_size == 0)
      segment.offset = offset_of_empty(segment.offset, layout.placement, page);
    ++layout.load_segments;
    if ((segment.offset - segment.address) % segment.alignment != 0) segment.alignment = page;
  }
  switch (layout.table.place) {
    case HeaderTable::Place::kSame:
      layout.table.offset = layout.placement.map(file.program_header_offset());
      table_address = file.address_of(file.program_header_offset()).value_or(0);
      break;
    case HeaderTable::Place::kFreed: {
      table_address = layout.table.freed->begin;
      layout.table.offset = layout.placement.map(*file.offset_of(table_address));
      break;
    }
    case HeaderTable::Place::kFirstLoadEnd:
      layout.table.offset = extended->out + extended->in.size() + extra - layout.table.capacity;
      break;
  }
  for (Segment& segment : layout.segments) {
    if (segment.type != PT_PHDR) continue;
    segment.offset = layout.table.offset;
    segment.physical += table_address - segment.address;
    segment.address = table_address;
    segment.file_size = segment.memory_size = table_bytes(layout.segments.size());
  }
  TRY_DO(check_executable(file, layout));
  return layout;
}

}  // namespace flense::elf
