#include "elf/section_table.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/checked.h"
#include "elf/editable.h"

namespace flense::elf {
namespace {

bool holds_debug_data(std::string_view name) {
  return name.starts_with(".debug_") || name.starts_with(".zdebug_") || name == ".gdb_index" ||
         name == ".stab" || name == ".stabstr";
}

bool is_relocation(const Section& section) {
  return section.type == SHT_RELA || section.type == SHT_REL;
}

/// The section's bytes are written after the segments.
bool is_movable(const File& file, const Placement& placement, const Section& section) {
  if (section.type == SHT_NULL || section.type == SHT_NOBITS || (section.flags & SHF_ALLOC) != 0)
    return false;
  return &section == &file.sections()[file.name_section()] ||
         !placement.keeps(file_range(section)) || section.size == 0;
}

}  // namespace

std::vector<bool> dropped_sections(const File& file, const EditPlan& plan) {
  const auto& sections = file.sections();
  std::vector<bool> dropped(sections.size(), false);
  const auto may_go = [&](std::size_t i) {
    return i != 0 && i != file.name_section() && (sections[i].flags & SHF_ALLOC) == 0 &&
           sections[i].type != SHT_NULL;
  };
  if (plan.drop_debug) {
    for (std::size_t i = 0; i < sections.size(); ++i)
      if (may_go(i) && holds_debug_data(sections[i].name)) dropped[i] = true;
    for (std::size_t i = 0; i < sections.size(); ++i)
      if (may_go(i) && is_relocation(sections[i]) && sections[i].info < sections.size() &&
          sections[i].info != 0 && dropped[sections[i].info])
        dropped[i] = true;
  }
  if (!plan.drop_symtab) return dropped;
  const auto linked_elsewhere = [&](std::size_t target, std::size_t from) {
    for (std::size_t i = 0; i < sections.size(); ++i)
      if (i != from && !dropped[i] && sections[i].link == target) return true;
    return false;
  };
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (sections[i].type != SHT_SYMTAB || !may_go(i) || linked_elsewhere(i, i)) continue;
    dropped[i] = true;
    const std::size_t strings = sections[i].link;
    if (strings < sections.size() && may_go(strings) && sections[strings].type == SHT_STRTAB &&
        !linked_elsewhere(strings, i))
      dropped[strings] = true;
  }
  return dropped;
}

Strippable strippable(const File& file) {
  const auto bytes_of = [&](const EditPlan& plan) {
    const std::vector<bool> dropped = dropped_sections(file, plan);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < dropped.size(); ++i)
      if (dropped[i]) bytes += file_range(file.sections()[i]).size();
    return bytes;
  };
  EditPlan debug, both;
  debug.drop_debug = both.drop_debug = both.drop_symtab = true;
  Strippable out;
  out.debug = bytes_of(debug);
  out.symbols = bytes_of(both) - out.debug;
  return out;
}

std::uint32_t SectionTable::add_name(const std::string& name) {
  if (name.empty()) return 0;
  const auto at = static_cast<std::uint32_t>(names_.size());
  names_ += name;
  names_ += '\0';
  return at;
}

void SectionTable::add_split(const File& file, const EditPlan& plan, const Layout& layout,
                             std::size_t index) {
  const Section& section = file.sections()[index];
  const auto edit = std::ranges::find(plan.sections, index, &SectionEdit::section);
  const std::uint32_t name = add_name(section.name);
  const std::uint32_t freed_name = add_name(section.name + ".freed");
  std::vector<Range> occupied;
  if (edit != plan.sections.end()) occupied = occupied_ranges(*edit, std::nullopt);

  const auto add = [&](Range range, bool in_file) {
    Header header{section, in_file ? name : freed_name};
    header.section.address = range.begin;
    header.section.size = range.size();
    header.section.offset = layout.placement.map(section.offset + (range.begin - section.address));
    if (!in_file) header.section.type = SHT_NOBITS;
    if (range.begin != section.address) header.section.alignment = 1;
    parts_[index].push_back({range, static_cast<std::uint32_t>(headers_.size())});
    headers_.push_back(std::move(header));
  };
  // A part in the file ends with its last piece; the later parts of an edited section begin with
  // one.
  const auto add_part = [&](Range range) {
    if (edit == plan.sections.end()) {
      if (!range.empty()) add(range, true);
      return;
    }
    Range tight{range.begin, range.begin};
    for (const Range& piece : occupied) {
      if (piece.begin < range.begin || piece.begin >= range.end) continue;
      if (tight.empty() && range.begin != section.address) tight.begin = piece.begin;
      tight.end = piece.end;
    }
    if (range.begin == section.address || !tight.empty()) add(tight, true);
  };
  struct Break {
    Range range;
    bool is_table = false;
  };
  std::vector<Break> breaks;
  for (const Cut& cut : layout.cuts)
    if (cut.section == index) breaks.push_back({cut.range, false});
  const auto& table = layout.table.freed;
  const Range whole{section.address, section.address + section.size};
  if (layout.table.place == HeaderTable::Place::kFreed && whole.contains(table->begin))
    breaks.push_back({*table, true});
  std::ranges::sort(breaks, {}, [](const Break& item) { return item.range.begin; });
  std::uint64_t from = whole.begin;
  for (const Break& item : breaks) {
    add_part({from, item.range.begin});
    if (item.is_table)
      add_header_table(layout);
    else
      add(item.range, false);
    from = item.range.end;
  }
  add_part({from, whole.end});
}

void SectionTable::add_header_table(const Layout& layout) {
  Section section;
  section.type = SHT_PROGBITS;
  section.flags = SHF_ALLOC;
  section.address = layout.table.address;
  section.offset = layout.table.offset;
  section.size = layout.segments.size() * kProgramHeaderSize;
  section.alignment = 8;
  headers_.push_back({std::move(section), add_name(std::string(kHeaderTableSection))});
}

void SectionTable::add_section(const File& file, const EditPlan& plan, const Layout& layout,
                               std::size_t index) {
  const Section& section = file.sections()[index];
  new_index_[index] = static_cast<std::uint32_t>(headers_.size());
  const bool edited =
      std::ranges::find(plan.sections, index, &SectionEdit::section) != plan.sections.end();
  const bool cut = std::ranges::find(layout.cuts, index, &Cut::section) != layout.cuts.end();
  if (edited || cut) {
    add_split(file, plan, layout, index);
    return;
  }
  Header header{section, add_name(section.name)};
  if (section.type != SHT_NULL) header.section.offset = layout.placement.map(section.offset);
  headers_.push_back(std::move(header));
}

Result<SectionTable> SectionTable::make(const File& file, const EditPlan& plan,
                                        const Layout& layout) {
  SectionTable table;
  const auto& sections = file.sections();
  const std::vector<bool> dropped = dropped_sections(file, plan);
  table.old_name_section_ = file.name_section();
  table.new_index_.resize(sections.size());
  table.parts_.resize(sections.size());
  // Where another section shares the name table, its old offsets must stay valid.
  const Section& old_names = sections[file.name_section()];
  const bool shared = std::ranges::any_of(
      sections, [&](const Section& section) { return section.link == file.name_section(); });
  if ((old_names.flags & SHF_ALLOC) != 0) return bad_input("its section names are loaded data");
  table.names_ =
      shared ? std::string(as_text(file.section_bytes(old_names))) : std::string(1, '\0');
  if (table.names_.empty() || table.names_.back() != '\0') table.names_ += '\0';

  // After the section that ends where a table after the first load segment begins.
  std::size_t table_after = 0;
  for (std::size_t i = 0; i < sections.size(); ++i)
    if (layout.table.place == HeaderTable::Place::kFirstLoadEnd &&
        (sections[i].flags & SHF_ALLOC) != 0 && sections[i].address < layout.table.address &&
        sections[i].address >= sections[table_after].address)
      table_after = i;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (is_header_table(file, sections[i])) {
      // Stays only if the table does; its size follows the number of headers.
      if (layout.table.place == HeaderTable::Place::kSame) {
        table.new_index_[i] = static_cast<std::uint32_t>(table.headers_.size());
        table.add_header_table(layout);
      }
      continue;
    }
    if (dropped[i])
      table.dropped_bytes_ += has_file_bytes(sections[i]) ? sections[i].size : 0;
    else
      table.add_section(file, plan, layout, i);
    if (table_after != 0 && i == table_after) table.add_header_table(layout);
  }
  if (table.headers_.size() >= SHN_LORESERVE) return bad_input("it would have too many sections");
  for (std::size_t i = 0; i < sections.size(); ++i)
    table.indices_change_ =
        table.indices_change_ || table.new_index_[i] != i || table.parts_[i].size() > 1;
  table.indices_change_ = table.indices_change_ || table.headers_.size() != sections.size();
  for (Header& header : table.headers_) {
    Section& section = header.section;
    if (section.link < sections.size()) section.link = table.new_index_[section.link];
    if ((is_relocation(section) || (section.flags & SHF_INFO_LINK) != 0) &&
        section.info < sections.size())
      section.info = table.new_index_[section.info];
  }

  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < sections.size(); ++i)
    if (!dropped[i] && is_movable(file, layout.placement, sections[i])) order.push_back(i);
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(sections[i].offset, i); });
  std::uint64_t end = layout.placement.end();
  for (const std::size_t i : order) {
    const std::uint64_t alignment = std::clamp<std::uint64_t>(sections[i].alignment, 1, 4096);
    end += (alignment - end % alignment) % alignment;
    Section& section = table.headers_[table.new_index_[i]].section;
    section.offset = end;
    if (i == file.name_section()) section.size = table.names_.size();
    table.moved_.push_back({i, end});
    end += section.size;
  }
  table.header_offset_ = end + (8 - end % 8) % 8;
  return table;
}

std::uint16_t SectionTable::name_section() const {
  return static_cast<std::uint16_t>(new_index_[old_name_section_]);
}

std::uint16_t SectionTable::map_index(std::uint16_t section, std::uint64_t value) const {
  if (section >= new_index_.size()) return section;
  for (const Part& part : parts_[section])
    if (part.range.contains(value)) return static_cast<std::uint16_t>(part.index);
  return static_cast<std::uint16_t>(new_index_[section]);
}

std::vector<std::byte> SectionTable::encode() const {
  std::vector<std::byte> out(headers_.size() * kSectionHeaderSize);
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    const MutableBytes at = MutableBytes(out).subspan(i * kSectionHeaderSize, kSectionHeaderSize);
    const Section& section = headers_[i].section;
    store_le(at, 0, headers_[i].name);
    store_le(at, 4, section.type);
    store_le(at, 8, section.flags);
    store_le(at, 16, section.address);
    store_le(at, 24, section.offset);
    store_le(at, 32, section.size);
    store_le(at, 40, section.link);
    store_le(at, 44, section.info);
    store_le(at, 48, section.alignment);
    store_le(at, 56, section.entry_size);
  }
  return out;
}

}  // namespace flense::elf
