// Notes of an ELF file (gABI chapter 5, "Note Section"): owner, type and descriptor.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "elf/file.h"

namespace flense::elf {

/// The descriptor of the first note of `owner` (without its NUL) in the bytes of a note section or
/// segment; with `type`, of that type only. Empty when there is none, or when the notes before it
/// are damaged.
Bytes find_note(Bytes notes, std::uint64_t alignment, std::string_view owner,
                std::optional<std::uint32_t> type);

/// Bits of GNU_PROPERTY_X86_ISA_1_NEEDED (x86-64 psABI, Linux extensions: .note.gnu.property):
/// 1 baseline, 2 x86-64-v2, 4 v3, 8 v4; 0 when the file states nothing, as most files do.
std::uint32_t x86_isa_needed(const File& file);

}  // namespace flense::elf
