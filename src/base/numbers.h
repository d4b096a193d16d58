// Numbers and sizes as files and users write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace flense {

/// Decimal digits, with blanks around them or without, as /proc and /sys write them.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// "10GiB", "500 MB", "1.5G", "1048576": decimal units with B or without, binary ones with i.
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace flense
