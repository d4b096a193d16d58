// Platforms of multi-platform images: parsing "linux/arm64/v8", this machine's own, matching.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "image/model/image.h"

namespace flense::image {

/// "os/arch[/variant]" or "arch"; uname spellings (x86_64, aarch64) are understood.
Result<Platform> parse_platform(std::string_view text);
Platform host_platform();

/// How well `offered` serves `wanted`: nullopt when it does not, else higher is better (exact
/// variant, then the default variant, then newer ones).
std::optional<int> platform_match(const Platform& wanted, const Platform& offered);

}  // namespace flense::image
