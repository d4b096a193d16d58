#include "elf/notes.h"

#include <elf.h>

#include "base/checked.h"

namespace flense::elf {

namespace {

constexpr std::uint32_t kPropertySegment = 0x6474e553;  // PT_GNU_PROPERTY
constexpr std::uint32_t kPropertyNote = 5;              // NT_GNU_PROPERTY_TYPE_0
constexpr std::uint32_t kIsaNeeded = 0xc0008002;        // GNU_PROPERTY_X86_ISA_1_NEEDED

/// One property after another: type, size, data padded to 8.
std::uint32_t isa_of(Bytes properties) {
  constexpr std::size_t kHeader = 8;
  std::uint64_t at = 0;
  while (range_fits(at, kHeader, properties.size())) {
    const auto type = load_le<std::uint32_t>(properties, at);
    const auto size = load_le<std::uint32_t>(properties, at + 4);
    if (!range_fits(at + kHeader, size, properties.size())) return 0;
    if (type == kIsaNeeded && size == 4) return load_le<std::uint32_t>(properties, at + kHeader);
    at = *align_up(at + kHeader + size, 8);
  }
  return 0;
}

}  // namespace

Bytes find_note(Bytes notes, std::uint64_t alignment, std::string_view owner,
                std::optional<std::uint32_t> type) {
  constexpr std::size_t kNoteHeader = 12;
  const std::uint64_t step = alignment == 8 ? 8 : 4;
  std::uint64_t position = 0;
  while (range_fits(position, kNoteHeader, notes.size())) {
    const auto name_size = load_le<std::uint32_t>(notes, position);
    const auto size = load_le<std::uint32_t>(notes, position + 4);
    const auto note_type = load_le<std::uint32_t>(notes, position + 8);
    const std::uint64_t name = position + kNoteHeader;
    const std::uint64_t descriptor = *align_up(name + name_size, step);
    if (!range_fits(descriptor, size, notes.size())) return {};
    if ((!type || note_type == *type) && range_fits(name, name_size, notes.size())) {
      // The size of the name includes its NUL, and with some writers the padding after it.
      const std::string_view text = as_text(notes.subspan(name, name_size));
      if (text.substr(0, text.find('\0')) == owner) return notes.subspan(descriptor, size);
    }
    position = *align_up(descriptor + size, step);
  }
  return {};
}

std::uint32_t x86_isa_needed(const File& file) {
  if (file.machine() != EM_X86_64) return 0;
  const auto read = [](Bytes notes) { return isa_of(find_note(notes, 8, "GNU", kPropertyNote)); };
  for (const Segment& segment : file.segments()) {
    if (segment.type == kPropertySegment &&
        range_fits(segment.offset, segment.file_size, file.bytes().size()))
      return read(file.bytes().subspan(segment.offset, segment.file_size));
  }
  const Section* section = file.find_section(".note.gnu.property");
  return section == nullptr ? 0 : read(file.section_bytes(*section));
}

}  // namespace flense::elf
