// What reader and writer of zip archives share; for them only.
#pragma once

#include <cstdint>

namespace flense::codec {

inline constexpr std::uint32_t kZipLocal = 0x04034b50, kZipCentral = 0x02014b50,
                               kZipEnd = 0x06054b50, kZipEnd64 = 0x06064b50,
                               kZipLocator = 0x07064b50, kZipDescriptor = 0x08074b50;
inline constexpr std::uint16_t kZip64Extra = 1, kZip64Version = 45;
/// In a field: the zip64 record says it.
inline constexpr std::uint32_t kIn64 = 0xffffffff;
inline constexpr std::uint16_t kCountIn64 = 0xffff;
/// Flags: sizes follow the content; names are UTF-8. Bits 1 and 2 tell how hard deflate tried.
inline constexpr std::uint16_t kZipSizesFollow = 1U << 3, kZipUtf8 = 1U << 11, kZipEffort = 6;

}  // namespace flense::codec
