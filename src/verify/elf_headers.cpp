#include "verify/elf_headers.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "elf/relocations.h"

namespace flense::verify {

namespace {

using elf::Section;
using elf::Segment;

constexpr std::uint64_t kSmallestPage = 4096;

bool same_segment(const Segment& a, const Segment& b) {
  return a.type == b.type && a.flags == b.flags && a.address == b.address &&
         a.physical == b.physical && a.file_size == b.file_size && a.memory_size == b.memory_size &&
         a.alignment == b.alignment;
}

/// Memory and the table itself are compared elsewhere.
bool is_described(const Segment& segment) {
  return segment.type != PT_LOAD && segment.type != PT_PHDR && segment.type != PT_NULL;
}

/// A note that PT_GNU_PROPERTY names as well says nothing by itself.
bool is_named_twice(const elf::File& file, const Segment& note) {
  return note.type == PT_NOTE && std::ranges::any_of(file.segments(), [&](const Segment& other) {
           return other.type == PT_GNU_PROPERTY && other.address == note.address &&
                  other.file_size == note.file_size;
         });
}

/// What else a header may be gone for: a load segment that was split.
bool has_new_load(const ElfPair& pair) {
  const auto loads = [](const elf::File& file) {
    return std::ranges::count(file.segments(), std::uint32_t{PT_LOAD}, &Segment::type);
  };
  return loads(pair.after.file) > loads(pair.before.file);
}

std::string segment_name(const Segment& segment) {
  return fmt::format("program header of type {:#x} at {:#x}", segment.type, segment.address);
}

bool is_debug_name(std::string_view name) {
  return name.starts_with(".debug_") || name.starts_with(".zdebug_") || name == ".gdb_index" ||
         name.starts_with(".stab");
}

/// What only debuggers and profilers read.
bool may_be_gone(const elf::File& file, const Section& section) {
  if ((section.flags & SHF_ALLOC) != 0) return false;
  if (is_debug_name(section.name) || section.type == SHT_SYMTAB) return true;
  if (section.type == SHT_RELA || section.type == SHT_REL)
    return section.info < file.sections().size() &&
           is_debug_name(file.sections()[section.info].name);
  if (section.type == SHT_SYMTAB_SHNDX) return true;
  // The strings of a symbol table that is gone.
  if (section.type != SHT_STRTAB) return false;
  const auto index = static_cast<std::uint32_t>(&section - file.sections().data());
  return std::ranges::any_of(file.sections(), [&](const Section& table) {
    return table.type == SHT_SYMTAB && table.link == index;
  });
}

std::string linked_name(const elf::File& file, std::uint32_t index) {
  return index < file.sections().size() ? file.sections()[index].name : std::string();
}

bool equal_content(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

class SectionComparison {
 public:
  SectionComparison(const ElfPair& pair, const CodePlaces& places)
      : pair_(pair),
        places_(places),
        before_(pair.before.file),
        after_(pair.after.file),
        taken_(after_.sections().size(), false) {}

  void run() {
    for (std::size_t i = 1; i < before_.sections().size(); ++i) one(i);
    for (std::size_t i = 1; i < after_.sections().size(); ++i)
      if (!taken_[i]) added(after_.sections()[i]);
  }

 private:
  void one(std::size_t index) {
    const Section& was = before_.sections()[index];
    const Section* is = counterpart(was);
    if (is == nullptr) {
      if (was.type == SHT_NULL || was.name == ".phdrs" || was.name.ends_with(".freed")) return;
      if (may_be_gone(before_, was) && pair_.rule.level != Level::kSafe)
        pair_.findings.count("sections of debug data and symbol tables, gone");
      else
        pair_.differ("section", was.name, "there", "gone");
      return;
    }
    compare(was, *is);
  }

  /// The first section that nobody has taken, of the same name, type and place in memory.
  const Section* counterpart(const Section& was) {
    for (std::size_t i = 1; i < after_.sections().size(); ++i) {
      const Section& is = after_.sections()[i];
      if (taken_[i] || is.name != was.name || is.type != was.type ||
          ((was.flags & SHF_ALLOC) != 0 && is.address != was.address))
        continue;
      taken_[i] = true;
      return &is;
    }
    return nullptr;
  }

  void compare(const Section& was, const Section& is) {
    const bool code = places_.in_sections(was.address) && (was.flags & SHF_ALLOC) != 0;
    const auto field = [&](const char* name, std::uint64_t expected, std::uint64_t found) {
      if (expected != found)
        pair_.differ("section", fmt::format("{} of {}", name, was.name), hex(expected), hex(found));
    };
    field("flags", was.flags, is.flags);
    field("address", was.address, is.address);
    field("alignment", was.alignment, is.alignment);
    field("entry size", was.entry_size, is.entry_size);
    if (code) {
      if (is.size > was.size) field("size", was.size, is.size);
    } else if (!names_sections(was)) {
      field("size", was.size, is.size);
    }
    const bool indexes = was.type == SHT_RELA || was.type == SHT_REL;
    if (linked_name(before_, was.link) != linked_name(after_, is.link) && was.link != 0)
      pair_.differ("section", "link of " + was.name, linked_name(before_, was.link),
                   linked_name(after_, is.link));
    if (indexes ? linked_name(before_, was.info) != linked_name(after_, is.info)
                : was.info != is.info)
      pair_.differ("section", "info of " + was.name, hex(was.info), hex(is.info));
    if ((is.flags & SHF_ALLOC) != 0 && is.type != SHT_NOBITS && is.size > 0 &&
        after_.address_of(is.offset) != is.address)
      pair_.differ("section", "offset of " + was.name, "where its address is in the file",
                   hex(is.offset));
    if (was.type == SHT_SYMTAB || was.type == SHT_DYNSYM) return symbols(was, is);
    if ((was.flags & SHF_ALLOC) == 0 && !names_sections(was) && was.type != SHT_SYMTAB_SHNDX &&
        !equal_content(before_.section_bytes(was), after_.section_bytes(is)))
      pair_.differ("section", was.name, "its bytes", "other bytes");
  }

  bool names_sections(const Section& section) const {
    return &section == before_.sections().data() + before_.name_section();
  }

  void symbols(const Section& was, const Section& is) {
    const Bytes old_table = before_.section_bytes(was), new_table = after_.section_bytes(is);
    const std::uint32_t count =
        std::min(elf::symbol_count(old_table), elf::symbol_count(new_table));
    const bool loaded = (was.flags & SHF_ALLOC) != 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Bytes a = old_table.subspan(i * elf::kSymbolSize, elf::kSymbolSize);
      const Bytes b = new_table.subspan(i * elf::kSymbolSize, elf::kSymbolSize);
      if (equal_content(a, b) && renumbering_is_none()) continue;
      symbol(fmt::format("symbol {} of {}", i, was.name), elf::load_symbol(old_table, i), a,
             elf::load_symbol(new_table, i), b, loaded);
    }
  }

  bool renumbering_is_none() const { return before_.sections().size() == after_.sections().size(); }

  void symbol(const std::string& name, const elf::Symbol& was, Bytes a, const elf::Symbol& is,
              Bytes b, bool loaded) {
    const Section* home = was.section < before_.sections().size() && was.section != 0
                              ? &before_.sections()[was.section]
                              : nullptr;
    const bool home_gone = home != nullptr && may_be_gone(before_, *home) &&
                           after_.find_section(home->name) == nullptr;
    if (!loaded && home_gone) return;
    // Name, type, binding and visibility.
    if (!equal_content(a.first(elf::kSymbolSection), b.first(elf::kSymbolSection)))
      return pair_.differ("symbol", name, "its name and type", "another");
    if (home == nullptr ? was.section != is.section : linked_name(after_, is.section) != home->name)
      pair_.differ("symbol", "section of " + name, home ? home->name : hex(was.section),
                   linked_name(after_, is.section));
    const CodePlace* place = was.is_address() ? places_.holding(was.value) : nullptr;
    const bool labels = place != nullptr && place->addresses.begin == was.value;
    const std::uint64_t expected = labels && was.type != STT_SECTION ? place->now() : was.value;
    if (is.value != expected && !(labels && is.value == place->now()))
      pair_.differ("symbol", "value of " + name, hex(expected), hex(is.value));
    if (labels ? is.size > was.size : is.size != was.size)
      pair_.differ("symbol", "size of " + name, hex(was.size), hex(is.size));
  }

  /// Pages that left the file, the moved header table, the rest of a section behind a cut.
  void added(const Section& section) {
    if (section.name == ".phdrs" || section.type == SHT_NULL) return;
    if (section.name.ends_with(".freed") && section.type == SHT_NOBITS) return;
    if (places_.in_sections(section.address) && (section.flags & SHF_ALLOC) != 0) return;
    pair_.differ("section", section.name, "not there", "there");
  }

  const ElfPair& pair_;
  const CodePlaces& places_;
  const elf::File& before_;
  const elf::File& after_;
  std::vector<bool> taken_;
};

}  // namespace

void compare_headers(const ElfPair& pair) {
  // e_ident, type, machine, version; entry; flags and the sizes of what the tables hold.
  struct Field {
    const char* name;
    std::size_t offset, size;
  };
  constexpr Field kFields[] = {{"identification", 0, 16},
                               {"type", 16, 2},
                               {"machine", 18, 2},
                               {"version", 20, 4},
                               {"entry", 24, 8},
                               {"flags", 48, 4},
                               {"header size", 52, 2},
                               {"program header size", 54, 2},
                               {"section header size", 58, 2}};
  const Bytes a = pair.before.file.bytes(), b = pair.after.file.bytes();
  for (const Field& field : kFields)
    if (!equal_content(a.subspan(field.offset, field.size), b.subspan(field.offset, field.size)))
      pair.differ("ELF header", field.name, "as it was", "another");
}

void compare_segments(const ElfPair& pair) {
  const elf::File& after = pair.after.file;
  std::vector<Segment> left;
  std::ranges::copy_if(after.segments(), std::back_inserter(left), is_described);
  for (const Segment& was : pair.before.file.segments()) {
    if (!is_described(was)) continue;
    const auto found =
        std::ranges::find_if(left, [&](const Segment& is) { return same_segment(was, is); });
    if (found != left.end())
      left.erase(found);
    else if (!is_named_twice(pair.before.file, was) || !has_new_load(pair))
      pair.differ("program header", segment_name(was), "there", "gone or changed");
  }
  for (const Segment& one : left)
    pair.differ("program header", segment_name(one), "not there", "there");
  const auto is_table = [](const Segment& one) { return one.type == PT_PHDR; };
  if (std::ranges::any_of(pair.before.file.segments(), is_table) &&
      std::ranges::none_of(after.segments(), is_table))
    pair.differ("program header", "PT_PHDR", "there", "gone");
  std::uint64_t last = 0;
  for (const Segment& one : after.segments()) {
    const bool has_bytes = one.file_size > 0;
    if (one.type == PT_LOAD) {
      if (one.address < last)
        pair.differ("program header", segment_name(one), "load segments by address",
                    "out of order");
      last = one.address;
      // Offsets that change may keep to pages alone, never to less: loaders refuse that.
      const bool pages = one.alignment >= kSmallestPage && std::has_single_bit(one.alignment);
      for (const Segment& was : pair.before.file.segments())
        if (was.type == PT_LOAD && one.address >= was.address &&
            one.address - was.address < was.memory_size && one.alignment != was.alignment &&
            (!pages || one.alignment > was.alignment))
          pair.differ("program header", segment_name(one),
                      fmt::format("alignment {}", hex(was.alignment)), hex(one.alignment));
      const std::uint64_t unit = std::max(kSmallestPage, one.alignment);
      if (has_bytes && (one.offset % unit) != (one.address % unit))
        pair.differ("program header", segment_name(one), "an offset that fits its address",
                    hex(one.offset));
    } else if (has_bytes && one.type != PT_NULL && one.memory_size > 0 &&
               after.offset_of(one.address) != one.offset && one.type != PT_GNU_STACK &&
               pair.before.file.address_of(one.offset).has_value()) {
      pair.differ("program header", segment_name(one), "an offset that its address is mapped from",
                  hex(one.offset));
    }
    if (one.type == PT_PHDR && one.offset != after.program_header_offset())
      pair.differ("program header", segment_name(one), hex(after.program_header_offset()),
                  hex(one.offset));
  }
}

namespace {

/// File ranges that headers name, by offset.
std::vector<elf::Range> named_ranges(const elf::File& file) {
  std::vector<elf::Range> out = {{0, elf::kFileHeaderSize}};
  const auto add = [&](std::uint64_t offset, std::uint64_t size) {
    if (size > 0) out.push_back({offset, offset + size});
  };
  add(file.program_header_offset(), file.segments().size() * elf::kProgramHeaderSize);
  add(file.section_header_offset(), file.sections().size() * elf::kSectionHeaderSize);
  for (const Segment& one : file.segments()) add(one.offset, one.file_size);
  for (const Section& one : file.sections())
    if (one.type != SHT_NOBITS && one.type != SHT_NULL) add(one.offset, one.size);
  std::ranges::sort(out, {}, &elf::Range::begin);
  return out;
}

/// Bytes behind the last that a header names.
std::uint64_t tail_size(const elf::File& file, const std::vector<elf::Range>& named) {
  std::uint64_t end = 0;
  for (const elf::Range& range : named) end = std::max(end, range.end);
  return file.bytes().size() - std::min<std::uint64_t>(end, file.bytes().size());
}

}  // namespace

void compare_unnamed_bytes(const ElfPair& pair) {
  const elf::File& after = pair.after.file;
  const std::vector<elf::Range> named = named_ranges(after);
  const std::uint64_t tail = tail_size(after, named);
  if (tail > tail_size(pair.before.file, named_ranges(pair.before.file)))
    pair.differ("file", "end", "nothing behind what the headers name",
                fmt::format("{} bytes more", tail));
  std::uint64_t at = 0;
  for (const elf::Range& range : named) {
    for (; at < range.begin && at < after.bytes().size(); ++at)
      if (after.bytes()[at] != std::byte{0})
        return pair.differ("file", "byte at offset " + hex(at), "zero: no header names it",
                           "something else");
    at = std::max(at, range.end);
  }
}

void compare_sections(const ElfPair& pair, const CodePlaces& places) {
  if (pair.before.file.sections().empty()) return;
  SectionComparison(pair, places).run();
}

}  // namespace flense::verify
