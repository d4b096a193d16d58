// The section headers of the output: which go, which are split, how indices change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "elf/edit.h"
#include "elf/file.h"
#include "elf/layout.h"

namespace flense::elf {

/// True for each section that the plan drops. Loaded sections and the section names stay.
std::vector<bool> dropped_sections(const File& file, const EditPlan& plan);

/// A section that is not loaded and lies outside all segments: written after them.
struct MovedSection {
  std::size_t section = 0;  ///< index in the input; the section names are rewritten
  std::uint64_t offset = 0;
};

class SectionTable {
 public:
  static Result<SectionTable> make(const File& file, const EditPlan& plan, const Layout& layout);

  const std::vector<MovedSection>& moved() const { return moved_; }
  const std::string& names() const { return names_; }
  std::uint64_t header_offset() const { return header_offset_; }
  std::uint16_t count() const { return static_cast<std::uint16_t>(headers_.size()); }
  std::uint16_t name_section() const;
  /// The header table as bytes.
  std::vector<std::byte> encode() const;
  /// st_shndx of a symbol whose value in the output is `value`.
  std::uint16_t map_index(std::uint16_t section, std::uint64_t value) const;
  bool indices_change() const { return indices_change_; }
  std::uint64_t dropped_bytes() const { return dropped_bytes_; }

 private:
  /// The header at `index` covers the addresses of `range`, which were one section's.
  struct Part {
    Range range;
    std::uint32_t index = 0;
  };
  struct Header {
    Section section;
    std::uint32_t name = 0;
  };

  void add_section(const File& file, const EditPlan& plan, const Layout& layout, std::size_t index);
  void add_split(const File& file, const EditPlan& plan, const Layout& layout, std::size_t index);
  void add_header_table(const Layout& layout);
  std::uint32_t add_name(const std::string& name);

  std::vector<Header> headers_;
  std::vector<std::uint32_t> new_index_;  ///< by old index; 0 when dropped
  std::vector<std::vector<Part>> parts_;  ///< by old index; empty when not split
  std::vector<MovedSection> moved_;
  std::string names_;
  std::uint32_t old_name_section_ = 0;
  std::uint64_t header_offset_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  bool indices_change_ = false;
};

}  // namespace flense::elf
