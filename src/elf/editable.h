// Whether a file can be rewritten with certainty, and the constants that follow from its type.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf {

/// The largest page a kernel of this machine may use: what segments keep congruent to.
std::uint64_t granule(std::uint16_t machine);

/// A program that the kernel maps by itself: ET_EXEC or a position-independent executable. Stricter
/// rules hold for these (docs/elf-editing.md).
bool is_executable(const File& file);

/// Indices of PT_LOAD headers in the order of their addresses.
std::vector<std::size_t> load_indices(const File& file);

/// File range of a section's or segment's bytes.
Range file_range(const Section& section);
Range file_range(const Segment& segment);
bool has_file_bytes(const Section& section);

/// The section with which an earlier edit covered the program header table it had moved: tools that
/// rewrite files (elfutils) zero what no section covers.
inline constexpr std::string_view kHeaderTableSection = ".phdrs";
bool is_header_table(const File& file, const Section& section);

/// Refusals (bad input): not a linked x86-64 or aarch64 file, sections or segments that share bytes
/// or contradict each other, data that neither headers nor sections account for.
Result<void> check_editable(const File& file);

}  // namespace flense::elf
