// Field layout of a tar header block (POSIX.1-2017 "ustar Interchange Format"; GNU tar manual).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::codec::tar {

inline constexpr std::size_t kBlockSize = 512;

struct Field {
  std::size_t offset, size;
};
inline constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kMtime{136, 12}, kChecksum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 8},
    kUser{265, 32}, kGroup{297, 32}, kDevMajor{329, 8}, kDevMinor{337, 8}, kPrefix{345, 155};
/// Old GNU sparse: four (offset, size) pairs, a continuation flag, the real size.
inline constexpr Field kSparse{386, 96}, kSparseMore{482, 1}, kRealSize{483, 12};

/// Text up to the first NUL.
std::string_view text_field(Bytes block, Field field);
/// Octal, or base-256 when the top bit is set (GNU). nullopt: not a number, or beyond 63 bits.
std::optional<std::int64_t> number_field(Bytes block, Field field);
/// Unsigned sum over the block with the checksum field as blanks; some old tars summed signed.
bool checksum_matches(Bytes block);
bool is_zero_block(Bytes block);

/// PAX records: "%d key=value\n". Errors name what is wrong.
Result<std::map<std::string, std::string>> parse_pax(Bytes data);
std::string format_pax(const std::map<std::string, std::string>& records);

/// Decimal with an optional fraction, as PAX times are: seconds and nanoseconds.
std::optional<std::pair<std::int64_t, std::uint32_t>> parse_pax_time(std::string_view text);

std::optional<std::uint64_t> parse_decimal(std::string_view text);

}  // namespace flense::codec::tar
