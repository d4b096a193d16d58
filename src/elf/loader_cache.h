// /etc/ld.so.cache as ldconfig of glibc writes it: dl-cache.h, "glibc-ld.so.cache1.1", alone or
// after the old "ld.so-1.7.0" table, with the extension section of glibc 2.33.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::elf {

/// What names the kind of library in an entry: FLAG_ELF_LIBC6 and the architecture. 0 for a machine
/// that is none of x86_64, i386 and aarch64.
std::uint32_t cache_flags(std::uint16_t machine);

/// An entry's hwcap names a subdirectory of glibc-hwcaps instead of holding bits.
inline constexpr std::uint64_t kNamedHwcap = std::uint64_t{1} << 62;

/// Texts belong to the bytes that were read, or to whoever made the entry.
struct CacheEntry {
  std::uint32_t flags = 0;
  std::string_view name, path;
  std::uint32_t os_version = 0;
  std::uint64_t hwcap = 0;
  std::string_view hwcap_name;  ///< "x86-64-v3", where hwcap has kNamedHwcap
  bool operator==(const CacheEntry&) const = default;
};

/// All entries in their order; at most 65,536. Bad input: not such a file, or a table or string out
/// of bounds.
Result<std::vector<CacheEntry>> read_loader_cache(Bytes cache);

/// Paths that the cache has for `name` on an ELF machine (EM_X86_64, EM_AARCH64), in its order; at
/// most 64. Errors as above.
Result<std::vector<std::string>> cached_paths(Bytes cache, std::string_view name,
                                              std::uint16_t machine);

}  // namespace flense::elf
