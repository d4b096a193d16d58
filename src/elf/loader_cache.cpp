#include "elf/loader_cache.h"

#include <array>
#include <optional>

#include "elf/format.h"

namespace flense::elf {

namespace {

constexpr std::string_view kOld = "ld.so-1.7.0";
constexpr std::string_view kNew = "glibc-ld.so.cache1.1";
constexpr std::size_t kOldHeader = 16, kOldEntry = 12;  // magic and count; flags, key, value
constexpr std::size_t kHeader = 48, kEntry = 24;
constexpr std::size_t kExtensionAt = 32;  // in the header
constexpr std::uint32_t kExtensionMagic = 0xeaa42174, kHwcapsTag = 1;
constexpr std::size_t kExtensionHeader = 8, kExtensionSection = 16;
constexpr std::size_t kMaxPaths = 64, kMaxString = 4096, kMaxEntries = 65536, kMaxSections = 64;
// The low byte is the type of library: 3 is an ELF library for libc 6; the next, the architecture.
constexpr std::uint32_t kLibc6 = 0x0003, kX86_64 = 0x0300, kAArch64 = 0x0a00;

/// The string at `offset`; nullopt when it does not end within the file.
std::optional<std::string_view> string_at(std::string_view text, std::uint64_t offset) {
  if (offset >= text.size()) return std::nullopt;
  const std::string_view rest = text.substr(offset, kMaxString + 1);
  const std::size_t end = rest.find('\0');
  return end == std::string_view::npos ? std::nullopt : std::optional(rest.substr(0, end));
}

/// The part that begins with the new header: offsets of strings count from there.
Result<Bytes> new_format(Bytes cache) {
  if (!as_text(cache).starts_with(kOld)) return cache;
  if (cache.size() < kOldHeader) return bad_input("the loader cache ends within its header");
  const std::uint64_t count = load_le<std::uint32_t>(cache, 12);
  const std::uint64_t end = (kOldHeader + count * kOldEntry + 7) / 8 * 8;
  if (end > cache.size())
    return bad_input("the loader cache's old table of {} entries is larger than the file", count);
  return cache.subspan(end);
}

/// The table of entries after the header, its bounds checked.
struct Table {
  Bytes bytes;
  std::string_view text;
  std::uint64_t count = 0;
  std::uint32_t flags(std::uint64_t i) const {
    return load_le<std::uint32_t>(bytes, kHeader + i * kEntry);
  }
};

Result<Table> table_of(Bytes cache) {
  Table out;
  TRY(out.bytes, new_format(cache));
  out.text = as_text(out.bytes);
  if (!out.text.starts_with(kNew))
    return bad_input("the loader cache is not of glibc's format 1.1");
  if (out.bytes.size() < kHeader) return bad_input("the loader cache ends within its header");
  out.count = load_le<std::uint32_t>(out.bytes, kNew.size());
  if (out.count > (out.bytes.size() - kHeader) / kEntry)
    return bad_input("the loader cache's table of {} entries is larger than the file", out.count);
  // 0: written before the field existed; 2: little-endian.
  const auto order = static_cast<unsigned>(out.bytes[28]) & 3u;
  if (order != 0 && order != 2) return bad_input("the loader cache is marked as not little-endian");
  return out;
}

Result<CacheEntry> entry_at(const Table& table, std::uint64_t i) {
  const std::size_t at = kHeader + i * kEntry;
  const auto key = string_at(table.text, load_le<std::uint32_t>(table.bytes, at + 4));
  const auto value = string_at(table.text, load_le<std::uint32_t>(table.bytes, at + 8));
  if (!key || !value)
    return bad_input("entry {} of the loader cache has a string out of bounds", i);
  return CacheEntry{table.flags(i),
                    *key,
                    *value,
                    load_le<std::uint32_t>(table.bytes, at + 12),
                    load_le<std::uint64_t>(table.bytes, at + 16),
                    {}};
}

/// Offsets of the names of glibc-hwcaps subdirectories; empty without them. glibc passes over an
/// extension that it cannot read, and so do we.
Bytes hwcap_names(const Table& table) {
  const std::uint64_t at = load_le<std::uint32_t>(table.bytes, kExtensionAt);
  // The field was unused, and zero, before glibc 2.33.
  if (at == 0 || at % 4 != 0 || !range_fits(at, kExtensionHeader, table.bytes.size())) return {};
  if (load_le<std::uint32_t>(table.bytes, at) != kExtensionMagic) return {};
  const std::uint64_t count = load_le<std::uint32_t>(table.bytes, at + 4);
  for (std::uint64_t i = 0; i < count && i < kMaxSections; ++i) {
    const std::uint64_t section = at + kExtensionHeader + i * kExtensionSection;
    if (!range_fits(section, kExtensionSection, table.bytes.size())) return {};
    if (load_le<std::uint32_t>(table.bytes, section) != kHwcapsTag) continue;
    const std::uint64_t offset = load_le<std::uint32_t>(table.bytes, section + 8);
    const std::uint64_t size = load_le<std::uint32_t>(table.bytes, section + 12);
    if (size % 4 != 0 || !range_fits(offset, size, table.bytes.size())) return {};
    return table.bytes.subspan(offset, size);
  }
  return {};
}

}  // namespace

std::uint32_t cache_flags(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return kX86_64 | kLibc6;
    case EM_AARCH64:
      return kAArch64 | kLibc6;
    case EM_386:
      return kLibc6;
    default:
      return 0;
  }
}

Result<std::vector<CacheEntry>> read_loader_cache(Bytes cache) {
  TRY(const Table table, table_of(cache));
  if (table.count > kMaxEntries)
    return bad_input("the loader cache has {} entries, at most {} are read", table.count,
                     kMaxEntries);
  const Bytes names = hwcap_names(table);
  std::vector<CacheEntry> out;
  out.reserve(table.count);
  for (std::uint64_t i = 0; i < table.count; ++i) {
    TRY(CacheEntry entry, entry_at(table, i));
    if ((entry.hwcap & kNamedHwcap) != 0) {
      const std::uint64_t index = entry.hwcap & 0xffffffff;
      std::optional<std::string_view> name;
      if (index < names.size() / 4)
        name = string_at(table.text, load_le<std::uint32_t>(names, index * 4));
      // No loader uses an entry whose name it cannot find.
      if (!name || name->empty()) continue;
      entry.hwcap_name = *name;
    }
    out.push_back(entry);
  }
  return out;
}

Result<std::vector<std::string>> cached_paths(Bytes cache, std::string_view name,
                                              std::uint16_t machine) {
  TRY(const Table table, table_of(cache));
  const std::uint32_t known = cache_flags(machine);
  const std::uint32_t flags = known == 0 ? kLibc6 : known;
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < table.count && out.size() < kMaxPaths; ++i) {
    if (table.flags(i) != flags) continue;
    TRY(const CacheEntry entry, entry_at(table, i));
    if (entry.name == name) out.emplace_back(entry.path);
  }
  return out;
}

}  // namespace flense::elf
