// Writes /etc/ld.so.cache so that glibc's loader accepts it like ldconfig's own: format 1.1 without
// the old table, little-endian.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "elf/loader_cache.h"

namespace flense::launch {

/// glibc's order of names, _dl_cache_libcmp: runs of digits compare as numbers. Negative, 0 or
/// positive. The loader searches the table by halves, from the greatest name down.
int compare_cached_names(std::string_view a, std::string_view b);

/// Entries may come in any order; of one name and one kind an earlier one comes before a later one.
/// Bad input: a text that is empty, or holds a NUL or a byte beyond ASCII, more entries than
/// read_loader_cache() takes, or more than 64 MiB.
Result<std::string> write_loader_cache(std::span<const elf::CacheEntry> entries);

/// `own` first and then those of `image` whose name and kind `own` does not have.
std::vector<elf::CacheEntry> merge_cache_entries(std::span<const elf::CacheEntry> own,
                                                 std::span<const elf::CacheEntry> image);

}  // namespace flense::launch
