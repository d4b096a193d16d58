#include "elf/editable.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/checked.h"

namespace flense::elf {
namespace {

struct Claim {
  Range range;
  std::string what;
};

/// Every byte belongs to one section or header table at most: the editor moves them one by one.
Result<std::vector<Claim>> check_claims(const File& file) {
  std::vector<Claim> claims;
  claims.push_back({{0, kFileHeaderSize}, "the file header"});
  const auto add_table = [&](std::uint64_t offset, std::uint64_t size, std::string_view what) {
    if (size != 0) claims.push_back({{offset, offset + size}, std::string(what)});
  };
  add_table(file.program_header_offset(), file.segments().size() * kProgramHeaderSize,
            "the program headers");
  add_table(file.section_header_offset(), file.sections().size() * kSectionHeaderSize,
            "the section headers");
  for (const Section& section : file.sections())
    if (has_file_bytes(section) && !is_header_table(file, section))
      claims.push_back({file_range(section), "section " + section.name});
  std::ranges::sort(claims, {}, [](const Claim& claim) { return claim.range.begin; });
  for (std::size_t i = 1; i < claims.size(); ++i)
    if (claims[i].range.begin < claims[i - 1].range.end)
      return bad_input("{} and {} share bytes at file offset {:#x}", claims[i - 1].what,
                       claims[i].what, claims[i].range.begin);
  return claims;
}

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// patchelf leaves the old section header table behind when it writes a new one.
bool is_old_section_table(const File& file, Bytes bytes) {
  if (bytes.size() < 2 * kSectionHeaderSize || !is_zero(bytes.first(kSectionHeaderSize)))
    return false;
  std::size_t at = 0;
  for (; at + kSectionHeaderSize <= bytes.size(); at += kSectionHeaderSize) {
    const Bytes entry = bytes.subspan(at, kSectionHeaderSize);
    const auto type = load_le<std::uint32_t>(entry, 4);
    const auto alignment = load_le<std::uint64_t>(entry, 48);
    if ((type > SHT_NUM && type < SHT_LOOS) || (alignment & (alignment - 1)) != 0) return false;
    if (type != SHT_NOBITS && !range_fits(load_le<std::uint64_t>(entry, 24),
                                          load_le<std::uint64_t>(entry, 32), file.bytes().size()))
      return false;
  }
  return is_zero(bytes.subspan(at));
}

/// Self-extracting programs carry data after the last section; moving sections would lose it.
Result<void> check_unclaimed(const File& file, const std::vector<Claim>& claims) {
  std::vector<Range> known;
  for (const Claim& claim : claims) known.push_back(claim.range);
  for (const Segment& segment : file.segments())
    if (segment.file_size != 0) known.push_back(file_range(segment));
  std::ranges::sort(known, {}, &Range::begin);
  known.push_back({file.bytes().size(), file.bytes().size()});
  std::uint64_t end = 0;
  for (const Range& range : known) {
    const std::uint64_t begin = (end + 7) / 8 * 8;
    if (range.begin > end) {
      const bool accounted =
          is_zero(file.bytes().subspan(end, range.begin - end)) ||
          (range.begin > begin && is_zero(file.bytes().subspan(end, begin - end)) &&
           is_old_section_table(file, file.bytes().subspan(begin, range.begin - begin)));
      if (!accounted)
        return bad_input(
            "it carries data between file offsets {:#x} and {:#x} that no header accounts for", end,
            range.begin);
    }
    end = std::max(end, range.end);
  }
  return {};
}

Result<void> check_loads(const File& file) {
  std::uint64_t end = 0;
  std::uint64_t file_end = 0;
  for (const std::size_t i : load_indices(file)) {
    const Segment& load = file.segments()[i];
    if (load.file_size > load.memory_size)
      return bad_input("program header {}: p_filesz is larger than p_memsz", i);
    if (!std::has_single_bit(load.alignment) || load.alignment < 4096 ||
        (load.offset - load.address) % load.alignment != 0)
      return bad_input("program header {}: the offset is not congruent to the address", i);
    if (load.address < end)
      return bad_input("program header {}: two load segments share address {:#x}", i, load.address);
    if (load.file_size != 0 && load.offset < file_end)
      return bad_input("program header {}: two load segments share file offset {:#x}", i,
                       load.offset);
    end = load.address + load.memory_size;
    if (load.file_size != 0) file_end = load.offset + load.file_size;
  }
  return {};
}

/// A loaded section lies in one segment, where its address says.
Result<void> check_loaded_section(const File& file, const Section& section) {
  const Range range = file_range(section);
  for (const Segment& segment : file.segments()) {
    if (segment.type != PT_LOAD || !file_range(segment).intersects(range)) continue;
    if (range.begin < segment.offset || range.end > segment.offset + segment.file_size)
      return bad_input("section {} crosses the boundary of a load segment", section.name);
    if ((section.flags & SHF_ALLOC) != 0 &&
        section.address - segment.address != section.offset - segment.offset)
      return bad_input("section {} is not where its load segment maps it", section.name);
    return {};
  }
  if ((section.flags & SHF_ALLOC) != 0)
    return bad_input("section {} is marked as loaded but is in no load segment", section.name);
  return {};
}

Result<void> check_indices(const File& file) {
  const std::size_t count = file.sections().size();
  if (count >= SHN_LORESERVE) return bad_input("it has {} sections", count);
  for (const Section& section : file.sections()) {
    if (section.type == SHT_NULL) continue;
    if (section.type == SHT_GROUP || section.type == SHT_SYMTAB_SHNDX)
      return bad_input("section {} belongs to a relocatable object", section.name);
    const bool info_is_index =
        (section.flags & SHF_INFO_LINK) != 0 || section.type == SHT_RELA || section.type == SHT_REL;
    if (section.link >= count || (info_is_index && section.info >= count))
      return bad_input("section {} refers to a section that does not exist", section.name);
    const bool symbols = section.type == SHT_SYMTAB || section.type == SHT_DYNSYM;
    if (symbols && section.size % kSymbolSize != 0)
      return bad_input("the size of symbol table {} is odd", section.name);
  }
  return {};
}

}  // namespace

std::uint64_t granule(std::uint16_t machine) {
  return machine == EM_X86_64 ? 4096 : 65536;
}

bool is_executable(const File& file) {
  if (file.type() == ET_EXEC) return true;
  for (const Segment& segment : file.segments())
    if (segment.type == PT_INTERP) return true;
  // Linkers write DT_DEBUG into programs only, including static position-independent ones.
  return file.dynamic_value(DT_DEBUG).has_value() ||
         (file.dynamic_value(DT_FLAGS_1).value_or(0) & DF_1_PIE) != 0;
}

std::vector<std::size_t> load_indices(const File& file) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < file.segments().size(); ++i)
    if (file.segments()[i].type == PT_LOAD) indices.push_back(i);
  std::ranges::sort(indices, {},
                    [&](std::size_t i) { return std::pair(file.segments()[i].address, i); });
  return indices;
}

Range file_range(const Section& section) {
  return {section.offset, section.offset + section.size};
}

Range file_range(const Segment& segment) {
  return {segment.offset, segment.offset + segment.file_size};
}

bool has_file_bytes(const Section& section) {
  return section.type != SHT_NULL && section.type != SHT_NOBITS && section.size != 0;
}

bool is_header_table(const File& file, const Section& section) {
  return section.name == kHeaderTableSection && section.type == SHT_PROGBITS &&
         section.offset == file.program_header_offset() &&
         section.size == file.segments().size() * kProgramHeaderSize;
}

Result<void> check_editable(const File& file) {
  if (file.type() != ET_DYN && file.type() != ET_EXEC)
    return bad_input("it is neither a program nor a shared library");
  if (file.machine() != EM_X86_64 && file.machine() != EM_AARCH64)
    return bad_input("its machine is neither x86-64 nor aarch64");
  if (file.sections().empty() || file.name_section() == 0)
    return bad_input("it has no section headers");
  for (std::size_t i = 0; i < file.segments().size(); ++i)
    if (!range_fits(file.segments()[i].offset, file.segments()[i].file_size, file.bytes().size()))
      return bad_input("program header {} reaches beyond the end of the file", i);
  TRY(const auto claims, check_claims(file));
  TRY_DO(check_unclaimed(file, claims));
  TRY_DO(check_loads(file));
  for (const Section& section : file.sections())
    if (has_file_bytes(section)) TRY_DO(check_loaded_section(file, section));
  return check_indices(file);
}

}  // namespace flense::elf
