// /etc/ld.so.cache as ldconfig of glibc writes it: dl-cache.h, "glibc-ld.so.cache1.1", alone or
// behind the old "ld.so-1.7.0" table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::doctor {

/// Paths that the cache has for `name` on an ELF machine (EM_X86_64, EM_AARCH64), in its order; at
/// most 64. Bad input: not such a file, or a table or string out of bounds.
Result<std::vector<std::string>> cached_paths(Bytes cache, std::string_view name,
                                              std::uint16_t machine);

}  // namespace flense::doctor
