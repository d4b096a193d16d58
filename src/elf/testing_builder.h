// Small ELF files for tests, built in memory. The file offset of loaded bytes equals their address
// minus `base`, so that a fixture reads like a memory map.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf::testing {

/// Little-endian bytes of the integers, one after another.
template <class... T>
std::string pack(T... values) {
  std::string out;
  const auto add = [&out](auto value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  (add(values), ...);
  return out;
}

inline std::string rela(std::uint64_t where, std::uint32_t symbol, std::uint32_t type,
                        std::uint64_t addend) {
  return pack(where, std::uint64_t{symbol} << 32 | type, addend);
}

inline std::string symbol(std::uint32_t name, std::uint8_t info, std::uint16_t section,
                          std::uint64_t value, std::uint64_t size) {
  return pack(name, info, std::uint8_t{0}, section, value, size);
}

struct TestSection {
  std::string name = {};
  std::uint32_t type = SHT_PROGBITS;
  std::uint64_t flags = 0;
  std::uint64_t address = 0;
  std::string bytes = {};
  std::uint64_t size = 0;  ///< NOBITS only
  std::uint32_t link = 0, info = 0;
  std::uint64_t alignment = 1, entry_size = 0;
};

class Builder {
 public:
  explicit Builder(std::uint16_t type = ET_DYN, std::uint16_t machine = EM_X86_64,
                   std::uint64_t base = 0)
      : type_(type), machine_(machine), base_(base) {
    sections_.push_back({.name = "", .type = SHT_NULL});
  }

  /// The index of the new section.
  std::uint16_t add(TestSection section) {
    sections_.push_back(std::move(section));
    return static_cast<std::uint16_t>(sections_.size() - 1);
  }
  TestSection& section(std::size_t index) { return sections_[index]; }
  /// A program header for the addresses [begin, end), of which `memory` bytes are mapped.
  void segment(std::uint32_t type, std::uint32_t flags, std::uint64_t begin, std::uint64_t end,
               std::uint64_t alignment, std::uint64_t memory = 0) {
    segments_.push_back({type, flags, begin - base_, begin, begin, end - begin,
                         std::max(memory, end - begin), alignment});
  }
  void raw_segment(const Segment& segment) { segments_.push_back(segment); }
  /// Bytes after everything else.
  void trailer(std::string bytes) { trailer_ = std::move(bytes); }

  std::string build() const {
    std::string out(kFileHeaderSize + segments_.size() * kProgramHeaderSize, '\0');
    std::string names(1, '\0');
    std::vector<std::uint64_t> offsets;
    const auto put = [&out](std::uint64_t at, std::string_view bytes) {
      if (out.size() < at + bytes.size()) out.resize(at + bytes.size(), '\0');
      out.replace(at, bytes.size(), bytes);
    };
    for (const Segment& segment : segments_)
      if (segment.type == PT_LOAD && segment.file_size != 0)
        out.resize(std::max<std::size_t>(out.size(), segment.offset + segment.file_size), '\0');
    for (const TestSection& section : sections_)
      if ((section.flags & SHF_ALLOC) != 0 && section.type != SHT_NOBITS)
        put(section.address - base_, section.bytes);
    for (const TestSection& section : sections_) {
      if ((section.flags & SHF_ALLOC) != 0) {
        offsets.push_back(section.address - base_);
      } else if (section.type == SHT_NULL) {
        offsets.push_back(0);
      } else {
        while (out.size() % section.alignment != 0) out += '\0';
        offsets.push_back(out.size());
        out += section.bytes;
      }
    }
    std::string table;
    const auto header = [&](const TestSection& section, std::uint64_t offset, std::uint64_t size) {
      const auto name = static_cast<std::uint32_t>(section.name.empty() ? 0 : names.size());
      if (!section.name.empty()) names += section.name + '\0';
      table += pack(name, section.type, section.flags, section.address, offset, size, section.link,
                    section.info, section.alignment, section.entry_size);
    };
    for (std::size_t i = 0; i < sections_.size(); ++i)
      header(sections_[i], offsets[i],
             sections_[i].type == SHT_NOBITS ? sections_[i].size : sections_[i].bytes.size());
    const TestSection name_section{.name = ".shstrtab", .type = SHT_STRTAB};
    header(name_section, out.size(), names.size() + name_section.name.size() + 1);
    out += names;
    while (out.size() % 8 != 0) out += '\0';
    const std::uint64_t table_offset = out.size();
    out += table + trailer_;

    put(0, std::string("\x7f"
                       "ELF\2\1\1",
                       7) +
               std::string(9, '\0') +
               pack(type_, machine_, std::uint32_t{1}, std::uint64_t{0},
                    std::uint64_t{kFileHeaderSize}, table_offset, std::uint32_t{0},
                    std::uint16_t{kFileHeaderSize}, std::uint16_t{kProgramHeaderSize},
                    static_cast<std::uint16_t>(segments_.size()), std::uint16_t{kSectionHeaderSize},
                    static_cast<std::uint16_t>(sections_.size() + 1),
                    static_cast<std::uint16_t>(sections_.size())));
    std::string headers;
    for (const Segment& segment : segments_)
      headers += pack(segment.type, segment.flags, segment.offset, segment.address,
                      segment.physical, segment.file_size, segment.memory_size, segment.alignment);
    put(kFileHeaderSize, headers);
    return out;
  }

 private:
  std::uint16_t type_, machine_;
  std::uint64_t base_;
  std::vector<TestSection> sections_;
  std::vector<Segment> segments_;
  std::string trailer_;
};

/// The bytes that a loader would put at [address, address + size); "?" for what no file byte fills.
inline std::string image_at(const File& file, std::uint64_t address, std::uint64_t size) {
  std::string out;
  for (std::uint64_t i = 0; i < size; ++i) {
    const auto offset = file.offset_of(address + i);
    out += offset ? static_cast<char>(file.bytes()[*offset]) : '?';
  }
  return out;
}

inline std::uint64_t word_at(const File& file, std::uint64_t address) {
  const auto offset = file.offset_of(address);
  return offset ? load_le<std::uint64_t>(file.bytes(), *offset) : ~std::uint64_t{0};
}

}  // namespace flense::elf::testing
