// Sizes and field offsets of the ELF64 structures (gABI chapters 4 and 5). The names of types,
// flags and tags come from <elf.h>.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>

namespace flense::elf {

inline constexpr std::size_t kFileHeaderSize = 64;
inline constexpr std::size_t kProgramHeaderSize = 56;
inline constexpr std::size_t kSectionHeaderSize = 64;
inline constexpr std::size_t kSymbolSize = 24;
inline constexpr std::size_t kRelaSize = 24;
inline constexpr std::size_t kDynamicSize = 16;

/// Field offsets in the file header that the editor rewrites.
inline constexpr std::size_t kHeaderPhoff = 32;
inline constexpr std::size_t kHeaderShoff = 40;
inline constexpr std::size_t kHeaderPhnum = 56;
inline constexpr std::size_t kHeaderShnum = 60;
inline constexpr std::size_t kHeaderShstrndx = 62;

/// Field offsets in a symbol.
inline constexpr std::size_t kSymbolInfo = 4;
inline constexpr std::size_t kSymbolSection = 6;
inline constexpr std::size_t kSymbolValue = 8;
inline constexpr std::size_t kSymbolLength = 16;

/// Wrappers of device code, 24 bytes each in .nvFatBinSegment (docs/formats/cuda-fatbin.md).
inline constexpr std::size_t kWrapperSize = 24;
inline constexpr std::uint32_t kWrapperMagic = 0x466243B1;
inline constexpr std::uint32_t kHipWrapperMagic = 0x48495046;

/// A half-open range of addresses or offsets.
struct Range {
  std::uint64_t begin = 0, end = 0;
  bool contains(std::uint64_t value) const { return value >= begin && value < end; }
  std::uint64_t size() const { return end - begin; }
  bool empty() const { return end <= begin; }
  bool intersects(const Range& other) const { return begin < other.end && other.begin < end; }
  bool operator==(const Range&) const = default;
};

}  // namespace flense::elf
