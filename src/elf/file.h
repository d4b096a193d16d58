// A read-only model of an ELF64 little-endian file (gABI chapters 4 and 5). Parsing is strict about
// what the rest of flense relies on (header tables in bounds, sizes that do not wrap) and never
// trusts a count: everything is bounded by the file's size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::elf {

struct Section {
  std::string name;
  std::uint32_t type = 0;
  std::uint64_t flags = 0, address = 0, offset = 0, size = 0;
  std::uint32_t link = 0, info = 0;
  std::uint64_t alignment = 0, entry_size = 0;
};

struct Segment {
  std::uint32_t type = 0, flags = 0;
  std::uint64_t offset = 0, address = 0, physical = 0, file_size = 0, memory_size = 0,
                alignment = 0;
};

/// One entry of PT_DYNAMIC.
struct DynamicEntry {
  std::int64_t tag = 0;
  std::uint64_t value = 0;
};

/// True for the four magic bytes; says nothing about the rest.
bool looks_like_elf(Bytes bytes);

class File {
 public:
  /// `bytes` must outlive the object. Errors: not ELF64 LSB, tables or sections out of bounds.
  static Result<File> parse(Bytes bytes, std::string name);

  Bytes bytes() const { return bytes_; }
  const std::string& name() const { return name_; }
  std::uint16_t type() const { return type_; }        ///< ET_*
  std::uint16_t machine() const { return machine_; }  ///< EM_*
  const std::vector<Section>& sections() const { return sections_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const Section* find_section(std::string_view name) const;
  std::uint64_t program_header_offset() const { return program_header_offset_; }
  std::uint64_t section_header_offset() const { return section_header_offset_; }
  /// Index of the section that holds the section names; 0 when there is none.
  std::uint32_t name_section() const { return name_section_; }
  std::uint64_t entry() const { return entry_; }
  /// File bytes of a section; empty for NOBITS.
  Bytes section_bytes(const Section& section) const;
  /// File offset of a virtual address that lies in the file image of a PT_LOAD.
  std::optional<std::uint64_t> offset_of(std::uint64_t address) const;
  std::optional<std::uint64_t> address_of(std::uint64_t offset) const;

  /// The entries of PT_DYNAMIC up to DT_NULL; empty for static files.
  std::vector<DynamicEntry> dynamic() const;
  std::optional<std::uint64_t> dynamic_value(std::int64_t tag) const;

  // Facts from PT_DYNAMIC, notes and PT_INTERP; empty where absent.
  std::string soname() const;
  std::vector<std::string> needed() const;
  std::string rpath() const;
  std::string runpath() const;
  std::string interpreter() const;
  std::string build_id() const;  ///< hexadecimal
  /// Versions required of other files: {"libc.so.6", "GLIBC_2.28"} pairs from .gnu.version_r. Those
  /// that only weak references ask for are left out: the loader starts without them.
  std::vector<std::pair<std::string, std::string>> version_needs() const;
  /// Versions that this file has symbols of, from .gnu.version_d: "GLIBCXX_3.4.30".
  std::vector<std::string> version_definitions() const;

 private:
  Result<void> parse_header();
  Result<void> parse_segments(std::uint16_t count);
  Result<void> parse_sections(std::uint64_t count);
  Result<void> name_sections(const std::vector<std::uint32_t>& name_offsets);
  std::string dynamic_string(std::int64_t tag) const;

  Bytes bytes_;
  std::string name_;
  std::uint16_t type_ = 0, machine_ = 0;
  std::uint64_t entry_ = 0, program_header_offset_ = 0, section_header_offset_ = 0;
  std::uint32_t name_section_ = 0;
  std::vector<Section> sections_;
  std::vector<Segment> segments_;
};

}  // namespace flense::elf
