#include "elf/edit.h"

#include <algorithm>

#include "elf/editable.h"
#include "elf/layout.h"
#include "elf/moves.h"
#include "elf/output.h"
#include "elf/relink.h"
#include "elf/section_table.h"

namespace flense::elf {
namespace {

/// Everything apply() needs, decided.
struct Build {
  Moves moves;
  std::vector<Patch> patches;
  Layout layout;
  SectionTable sections;
  Output output;
};

bool changes_nothing(const File& file, const EditPlan& plan) {
  return plan.sections.empty() &&
         std::ranges::none_of(dropped_sections(file, plan), std::identity());
}

/// The rest of `range` of the file is device code that goes; the pieces of `edit` come instead.
std::vector<Extent> section_content(const SectionEdit& edit, const Range& range,
                                    const HeaderTable& table,
                                    const std::vector<std::byte>& headers) {
  struct Item {
    Range range;
    const Piece* piece = nullptr;  ///< null: the program header table
  };
  std::vector<Item> items;
  for (const Piece& piece : edit.pieces)
    if (piece.new_size != 0)
      items.push_back({{piece.new_address, piece.new_address + piece.new_size}, &piece});
  if (table.freed && range.contains(table.freed->begin)) items.push_back({*table.freed, nullptr});
  std::ranges::sort(items, {}, [](const Item& item) { return item.range.begin; });

  std::vector<Extent> content;
  std::uint64_t at = range.begin;
  for (const Item& item : items) {
    if (!range.contains(item.range.begin)) continue;
    content.push_back(Extent::zero(item.range.begin - at));
    if (item.piece == nullptr) {
      content.push_back(Extent::bytes(headers));
      content.push_back(Extent::zero(item.range.size() - headers.size()));
    } else {
      for (const PiecePart& part : item.piece->parts)
        content.push_back(part.from_input()   ? Extent::input(part.file_offset, part.size)
                          : part.held.empty() ? Extent::bytes(part.literal)
                                              : Extent::held(part.held));
    }
    at = item.range.end;
  }
  content.push_back(Extent::zero(range.end - at));
  return content;
}

/// Address ranges of the section that stay in the file.
std::vector<Range> uncut(const Section& section, std::size_t index, const std::vector<Cut>& cuts) {
  std::vector<Range> ranges;
  std::uint64_t from = section.address;
  for (const Cut& cut : cuts) {
    if (cut.section != index) continue;
    if (cut.range.begin > from) ranges.push_back({from, cut.range.begin});
    from = cut.range.end;
  }
  const std::uint64_t end = section.address + section.size;
  if (from < end) ranges.push_back({from, end});
  return ranges;
}

std::vector<std::byte> encode_segments(const std::vector<Segment>& segments) {
  std::vector<std::byte> out(segments.size() * kProgramHeaderSize);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const MutableBytes at = MutableBytes(out).subspan(i * kProgramHeaderSize, kProgramHeaderSize);
    const Segment& segment = segments[i];
    store_le(at, 0, segment.type);
    store_le(at, 4, segment.flags);
    store_le(at, 8, segment.offset);
    store_le(at, 16, segment.address);
    store_le(at, 24, segment.physical);
    store_le(at, 32, segment.file_size);
    store_le(at, 40, segment.memory_size);
    store_le(at, 48, segment.alignment);
  }
  return out;
}

std::vector<std::byte> encode_header(const File& file, const Layout& layout,
                                     const SectionTable& sections) {
  const Bytes old = file.bytes().first(kFileHeaderSize);
  std::vector<std::byte> out(old.begin(), old.end());
  if (!layout.segments.empty()) store_le(out, kHeaderPhoff, layout.table.offset);
  store_le(out, kHeaderShoff, sections.header_offset());
  store_le(out, kHeaderPhnum, static_cast<std::uint16_t>(layout.segments.size()));
  store_le(out, kHeaderShnum, sections.count());
  store_le(out, kHeaderShstrndx, sections.name_section());
  return out;
}

std::vector<Replacement> find_replacements(const File& file, const EditPlan& plan,
                                           const Build& build,
                                           const std::vector<std::byte>& headers) {
  std::vector<Replacement> replacements;
  replacements.push_back(
      {{0, kFileHeaderSize}, {Extent::bytes(encode_header(file, build.layout, build.sections))}});
  const HeaderTable& table = build.layout.table;
  const std::uint64_t old_size = file.segments().size() * kProgramHeaderSize;
  const std::uint64_t old_table = file.program_header_offset();
  if (table.place == HeaderTable::Place::kSame && table.capacity != 0) {
    replacements.push_back(
        {{old_table, old_table + table.capacity},
         {Extent::bytes(headers), Extent::zero(table.capacity - headers.size())}});
  } else if (build.layout.placement.keeps({old_table, old_table + old_size})) {
    replacements.push_back({{old_table, old_table + old_size}, {Extent::zero(old_size)}});
  }
  for (const SectionEdit& edit : plan.sections) {
    const Section& section = file.sections()[edit.section];
    for (const Range& range : uncut(section, edit.section, build.layout.cuts)) {
      const std::uint64_t offset = section.offset + (range.begin - section.address);
      replacements.push_back(
          {{offset, offset + range.size()}, section_content(edit, range, table, headers)});
    }
  }
  std::ranges::sort(replacements, {}, [](const Replacement& item) { return item.in.begin; });
  return replacements;
}

Result<void> assemble(const File& file, const EditPlan& plan, Build& build) {
  const std::vector<std::byte> headers = encode_segments(build.layout.segments);
  const auto replacements = find_replacements(file, plan, build, headers);
  Output& output = build.output;
  for (const Interval& interval : build.layout.placement.intervals()) {
    TRY_DO(output.pad_to(interval.out));
    output.add_input(interval.in, replacements);
    if (interval.extra != 0) {
      TRY_DO(output.pad_to(build.layout.table.offset));
      output.add(Extent::bytes(headers));
      TRY_DO(output.pad_to(interval.out + interval.in.size() + interval.extra));
    }
  }
  for (const MovedSection& moved : build.sections.moved()) {
    TRY_DO(output.pad_to(moved.offset));
    if (moved.section == file.name_section()) {
      const Bytes names = as_bytes(build.sections.names());
      output.add(Extent::bytes({names.begin(), names.end()}));
    } else {
      const Section& section = file.sections()[moved.section];
      output.add(Extent::input(section.offset, section.size));
    }
  }
  TRY_DO(output.pad_to(build.sections.header_offset()));
  output.add(Extent::bytes(build.sections.encode()));
  return {};
}

Result<Build> plan_output(const File& file, const EditPlan& plan) {
  Build build;
  TRY_DO(check_editable(file));
  TRY(build.moves, Moves::make(file, plan));
  TRY(build.layout, lay_out(file, plan));
  std::vector<Range> freed;
  for (const Cut& cut : build.layout.cuts) freed.push_back(cut.range);
  TRY(build.patches, relink(file, build.moves, freed));
  TRY(build.sections, SectionTable::make(file, plan, build.layout));
  TRY_DO(assemble(file, plan, build));
  return build;
}

EditResult result_of(const File& file, const EditPlan& plan, const Build& build) {
  EditResult result;
  result.input_size = file.bytes().size();
  result.output_size = build.output.size();
  for (const Cut& cut : build.layout.cuts) result.device_bytes_removed += cut.range.size();
  result.debug_bytes_removed = build.sections.dropped_bytes();
  result.load_segments = build.layout.load_segments;
  for (const SectionEdit& edit : plan.sections)
    if (std::ranges::find(build.layout.cuts, edit.section, &Cut::section) ==
        build.layout.cuts.end())
      result.in_vain.push_back(edit.section);
  return result;
}

EditResult unchanged(const File& file) {
  EditResult result;
  result.input_size = result.output_size = file.bytes().size();
  for (const Segment& segment : file.segments())
    if (segment.type == PT_LOAD) ++result.load_segments;
  return result;
}

}  // namespace

Result<EditResult> measure(const File& file, const EditPlan& plan) {
  if (changes_nothing(file, plan)) return unchanged(file);
  TRY(const Build build, plan_output(file, plan));
  return result_of(file, plan, build);
}

Result<EditResult> apply(const File& file, const EditPlan& plan, Sink& to) {
  if (changes_nothing(file, plan)) {
    TRY_DO(to.write(file.bytes()));
    return unchanged(file);
  }
  TRY(const Build build, plan_output(file, plan));
  Changes changes;
  changes.patches = build.patches;
  changes.moves = &build.moves;
  changes.sections = &build.sections;
  const bool symbols_change = build.sections.indices_change() || !build.moves.empty();
  for (const Section& section : file.sections())
    if (symbols_change && (section.type == SHT_SYMTAB || section.type == SHT_DYNSYM))
      changes.symbol_tables.push_back(file_range(section));
  std::ranges::sort(changes.symbol_tables, {}, &Range::begin);
  TRY_DO(build.output.write(file.bytes(), changes, to));
  return result_of(file, plan, build);
}

}  // namespace flense::elf
