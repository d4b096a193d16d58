#include "elf/file.h"

#include <algorithm>

#include "base/checked.h"
#include "elf/format.h"

namespace flense::elf {
namespace {

constexpr std::uint32_t kMagic = 0x464c457f;
/// Linkers write tens of program headers; only core dumps reach thousands.
constexpr std::uint16_t kMaxSegments = 8192;
constexpr std::size_t kMaxSectionName = 4096;

}  // namespace

bool looks_like_elf(Bytes bytes) {
  return bytes.size() >= sizeof kMagic && load_le<std::uint32_t>(bytes, 0) == kMagic;
}

Result<File> File::parse(Bytes bytes, std::string name) {
  File file;
  file.bytes_ = bytes;
  file.name_ = std::move(name);
  TRY_DO(with_context(file.parse_header(), "reading the ELF headers of {}", file.name_));
  return file;
}

Result<void> File::parse_header() {
  if (!looks_like_elf(bytes_)) return bad_input("not an ELF file: the magic bytes are missing");
  if (bytes_.size() < kFileHeaderSize)
    return bad_input("truncated: the ELF header needs {} bytes, the file has {}", kFileHeaderSize,
                     bytes_.size());
  if (load_le<std::uint8_t>(bytes_, EI_CLASS) != ELFCLASS64)
    return bad_input("not a 64-bit ELF file: EI_CLASS at offset {:#x} is not ELFCLASS64",
                     unsigned{EI_CLASS});
  if (load_le<std::uint8_t>(bytes_, EI_DATA) != ELFDATA2LSB)
    return bad_input("not a little-endian ELF file: EI_DATA at offset {:#x} is not ELFDATA2LSB",
                     unsigned{EI_DATA});
  type_ = load_le<std::uint16_t>(bytes_, 16);
  machine_ = load_le<std::uint16_t>(bytes_, 18);
  entry_ = load_le<std::uint64_t>(bytes_, 24);
  program_header_offset_ = load_le<std::uint64_t>(bytes_, kHeaderPhoff);
  section_header_offset_ = load_le<std::uint64_t>(bytes_, kHeaderShoff);
  const auto segment_entry = load_le<std::uint16_t>(bytes_, 54);
  const auto segment_count = load_le<std::uint16_t>(bytes_, kHeaderPhnum);
  const auto section_entry = load_le<std::uint16_t>(bytes_, 58);
  std::uint64_t section_count = load_le<std::uint16_t>(bytes_, kHeaderShnum);
  name_section_ = load_le<std::uint16_t>(bytes_, kHeaderShstrndx);

  if (segment_count != 0) {
    if (segment_entry != kProgramHeaderSize)
      return bad_input("e_phentsize is {}, expected {}", segment_entry, kProgramHeaderSize);
    TRY_DO(parse_segments(segment_count));
  }
  if (section_header_offset_ == 0) {
    name_section_ = 0;
    return {};
  }
  if (section_entry != kSectionHeaderSize)
    return bad_input("e_shentsize is {}, expected {}", section_entry, kSectionHeaderSize);
  // gABI "Extended section numbers": counts that do not fit in 16 bits are in section header 0.
  TRY(Bytes first, slice(bytes_, section_header_offset_, kSectionHeaderSize, "section header 0"));
  if (section_count == 0) section_count = load_le<std::uint64_t>(first, 32);
  if (name_section_ == SHN_XINDEX) name_section_ = load_le<std::uint32_t>(first, 40);
  return parse_sections(section_count);
}

Result<void> File::parse_segments(std::uint16_t count) {
  if (count > kMaxSegments)
    return bad_input("e_phnum is {}; at most {} program headers are read", count, kMaxSegments);
  TRY(Bytes table, slice(bytes_, program_header_offset_, std::uint64_t{count} * kProgramHeaderSize,
                         "the program header table"));
  segments_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes entry = table.subspan(i * kProgramHeaderSize, kProgramHeaderSize);
    Segment segment;
    segment.type = load_le<std::uint32_t>(entry, 0);
    segment.flags = load_le<std::uint32_t>(entry, 4);
    segment.offset = load_le<std::uint64_t>(entry, 8);
    segment.address = load_le<std::uint64_t>(entry, 16);
    segment.physical = load_le<std::uint64_t>(entry, 24);
    segment.file_size = load_le<std::uint64_t>(entry, 32);
    segment.memory_size = load_le<std::uint64_t>(entry, 40);
    segment.alignment = load_le<std::uint64_t>(entry, 48);
    if (!checked_add(segment.offset, segment.file_size) ||
        !checked_add(segment.address, segment.memory_size) ||
        !checked_add(segment.address, segment.file_size))
      return bad_input("program header {}: offset {:#x} or address {:#x} plus size wraps around", i,
                       segment.offset, segment.address);
    segments_.push_back(segment);
  }
  return {};
}

Result<void> File::parse_sections(std::uint64_t count) {
  const auto table_size = checked_mul(count, kSectionHeaderSize);
  if (!table_size) return bad_input("the section count {} is impossible", count);
  TRY(Bytes table, slice(bytes_, section_header_offset_, *table_size, "the section header table"));
  sections_.reserve(count);
  std::vector<std::uint32_t> names;
  names.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes entry = table.subspan(i * kSectionHeaderSize, kSectionHeaderSize);
    Section section;
    names.push_back(load_le<std::uint32_t>(entry, 0));
    section.type = load_le<std::uint32_t>(entry, 4);
    section.flags = load_le<std::uint64_t>(entry, 8);
    section.address = load_le<std::uint64_t>(entry, 16);
    section.offset = load_le<std::uint64_t>(entry, 24);
    section.size = load_le<std::uint64_t>(entry, 32);
    section.link = load_le<std::uint32_t>(entry, 40);
    section.info = load_le<std::uint32_t>(entry, 44);
    section.alignment = load_le<std::uint64_t>(entry, 48);
    section.entry_size = load_le<std::uint64_t>(entry, 56);
    const bool in_file = section.type != SHT_NOBITS && section.type != SHT_NULL;
    if (in_file && !range_fits(section.offset, section.size, bytes_.size()))
      return bad_input(
          "section {}: offset {:#x} and size {:#x} reach beyond the file's {:#x} bytes", i,
          section.offset, section.size, bytes_.size());
    if (section.type != SHT_NULL && !checked_add(section.address, section.size))
      return bad_input("section {}: address {:#x} and size {:#x} wrap around", i, section.address,
                       section.size);
    sections_.push_back(std::move(section));
  }
  return name_sections(names);
}

Result<void> File::name_sections(const std::vector<std::uint32_t>& name_offsets) {
  if (name_section_ == SHN_UNDEF || sections_.empty()) {
    name_section_ = 0;
    return {};
  }
  if (name_section_ >= sections_.size())
    return bad_input("e_shstrndx is {}, there are {} sections", name_section_, sections_.size());
  const Bytes strings = section_bytes(sections_[name_section_]);
  // A hostile table may let every section share one long name: the copies are bounded as well.
  std::uint64_t budget = std::max<std::uint64_t>(bytes_.size(), 1U << 20);
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    if (name_offsets[i] == 0 && strings.empty()) continue;
    if (name_offsets[i] >= strings.size())
      return bad_input("section {}: name offset {:#x} lies beyond the {:#x} bytes of the names", i,
                       name_offsets[i], strings.size());
    const std::string_view rest =
        as_text(strings.subspan(name_offsets[i])).substr(0, kMaxSectionName);
    const auto end = rest.find('\0');
    if (end == std::string_view::npos)
      return bad_input("section {}: the name at offset {:#x} has no end", i, name_offsets[i]);
    if (end > budget) return bad_input("the section names are longer than the file");
    budget -= end;
    sections_[i].name = rest.substr(0, end);
  }
  return {};
}

const Section* File::find_section(std::string_view name) const {
  const auto found = std::ranges::find(sections_, name, &Section::name);
  return found == sections_.end() ? nullptr : &*found;
}

Bytes File::section_bytes(const Section& section) const {
  if (section.type == SHT_NOBITS || section.type == SHT_NULL) return {};
  if (!range_fits(section.offset, section.size, bytes_.size())) return {};
  return bytes_.subspan(section.offset, section.size);
}

std::optional<std::uint64_t> File::offset_of(std::uint64_t address) const {
  for (const Segment& segment : segments_) {
    if (segment.type != PT_LOAD || address < segment.address) continue;
    const std::uint64_t delta = address - segment.address;
    if (delta < segment.file_size && segment.offset + delta < bytes_.size())
      return segment.offset + delta;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> File::address_of(std::uint64_t offset) const {
  for (const Segment& segment : segments_) {
    if (segment.type == PT_LOAD && offset >= segment.offset &&
        offset - segment.offset < segment.file_size)
      return segment.address + (offset - segment.offset);
  }
  return std::nullopt;
}

}  // namespace flense::elf
