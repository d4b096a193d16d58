#include "launch/inject/loader_cache_writer.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/ascii.h"

namespace flense::launch {
namespace {

constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr std::size_t kHeader = 48, kEntry = 24;
constexpr std::uint32_t kLittleEndian = 2;
constexpr std::uint32_t kExtensionMagic = 0xeaa42174, kHwcapsTag = 1;
constexpr std::size_t kExtensionHeader = 8, kExtensionSection = 16;
constexpr std::size_t kMaxCacheEntries = 65536, kMaxText = 4096;
constexpr std::uint64_t kMaxBytes = 64U << 20;

/// A run of digits at `at`, with the overflow that glibc's int has.
std::int32_t take_number(std::string_view text, std::size_t& at) {
  std::uint32_t value = 0;
  for (; at < text.size() && is_digit(text[at]); ++at)
    value = value * 10 + static_cast<std::uint32_t>(text[at] - '0');
  return static_cast<std::int32_t>(value);
}

bool is_named(const elf::CacheEntry& entry) {
  return (entry.hwcap & elf::kNamedHwcap) != 0;
}

/// As ldconfig has them: the loader stops at the first entry that names no subdirectory.
bool comes_before(const elf::CacheEntry& a, const elf::CacheEntry& b) {
  if (const int names = compare_cached_names(a.name, b.name); names != 0) return names > 0;
  if (a.flags != b.flags) return a.flags > b.flags;
  if (is_named(a) != is_named(b)) return is_named(a);
  return !is_named(a) && a.hwcap > b.hwcap;
}

void append(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

Result<void> check_text(std::string_view text, std::string_view what) {
  const auto plain = [](char c) { return c > 0 && static_cast<unsigned char>(c) < 0x80; };
  if (text.empty() || text.size() > kMaxText || !std::ranges::all_of(text, plain))
    return bad_input("the {} '{}' cannot be in a loader cache", what, text);
  return {};
}

/// Each text once; offsets count from the start of the file.
class Strings {
 public:
  explicit Strings(std::uint64_t start) : start_(start) {}
  std::uint32_t offset_of(std::string_view text) {
    const auto [at, is_new] = offsets_.try_emplace(text, start_ + bytes_.size());
    if (is_new) bytes_.append(text) += '\0';
    return static_cast<std::uint32_t>(at->second);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::uint64_t start_;
  std::string bytes_;
  std::map<std::string_view, std::uint64_t> offsets_;
};

}  // namespace

int compare_cached_names(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size()) {
    const bool digit = is_digit(a[i]), other = j < b.size() && is_digit(b[j]);
    if (digit && other) {
      const std::int32_t first = take_number(a, i), second = take_number(b, j);
      if (first != second) return first < second ? -1 : 1;
    } else if (digit != other) {
      return digit ? 1 : -1;
    } else if (j == b.size() || a[i] != b[j]) {
      return j == b.size() || a[i] > b[j] ? 1 : -1;
    } else {
      ++i;
      ++j;
    }
  }
  return j == b.size() ? 0 : -1;
}

Result<std::string> write_loader_cache(std::span<const elf::CacheEntry> entries) {
  if (entries.size() > kMaxCacheEntries)
    return bad_input("{} libraries are more than the {} of a loader cache", entries.size(),
                     kMaxCacheEntries);
  std::vector<elf::CacheEntry> sorted(entries.begin(), entries.end());
  std::ranges::stable_sort(sorted, comes_before);

  // The loader walks the names of subdirectories in step with its own list: both are sorted.
  std::map<std::string_view, std::uint32_t> hwcaps;
  for (const elf::CacheEntry& entry : sorted)
    if (is_named(entry)) hwcaps.emplace(entry.hwcap_name, 0);
  std::uint32_t next = 0;
  for (auto& [name, index] : hwcaps) index = next++;

  Strings strings(kHeader + sorted.size() * kEntry);
  std::string table;
  std::uint64_t bytes = 0;
  for (const elf::CacheEntry& entry : sorted) {
    TRY_DO(check_text(entry.name, "name"));
    TRY_DO(check_text(entry.path, "path"));
    std::uint64_t hwcap = entry.hwcap;
    if (is_named(entry)) {
      TRY_DO(check_text(entry.hwcap_name, "subdirectory"));
      hwcap = (hwcap & ~std::uint64_t{0xffffffff}) | hwcaps[entry.hwcap_name];
    }
    append(table, entry.flags, 4);
    append(table, strings.offset_of(entry.name), 4);
    append(table, strings.offset_of(entry.path), 4);
    append(table, entry.os_version, 4);
    append(table, hwcap, 8);
    bytes = kHeader + table.size() + strings.bytes().size();
    if (bytes > kMaxBytes)
      return bad_input("the loader cache grows beyond {} MiB", kMaxBytes >> 20);
  }
  std::vector<std::uint32_t> names;
  for (const auto& [name, index] : hwcaps) names.push_back(strings.offset_of(name));

  std::string tail = strings.bytes();
  const std::uint64_t strings_end = kHeader + table.size() + tail.size();
  std::uint64_t extension = 0;
  if (!names.empty()) {
    tail.append((4 - strings_end % 4) % 4, '\0');
    extension = kHeader + table.size() + tail.size();
    append(tail, kExtensionMagic, 4);
    append(tail, 1, 4);
    append(tail, kHwcapsTag, 4);
    append(tail, 0, 4);
    append(tail, extension + kExtensionHeader + kExtensionSection, 4);
    append(tail, names.size() * 4, 4);
    for (const std::uint32_t name : names) append(tail, name, 4);
  }
  std::string out(kMagic);
  append(out, sorted.size(), 4);
  append(out, strings.bytes().size(), 4);
  append(out, kLittleEndian, 4);
  append(out, extension, 4);
  out.append(kHeader - out.size(), '\0');
  return out + table + tail;
}

std::vector<elf::CacheEntry> merge_cache_entries(std::span<const elf::CacheEntry> own,
                                                 std::span<const elf::CacheEntry> image) {
  std::vector<elf::CacheEntry> out(own.begin(), own.end());
  std::set<std::pair<std::uint32_t, std::string_view>> taken;
  for (const elf::CacheEntry& entry : own) taken.emplace(entry.flags, entry.name);
  for (const elf::CacheEntry& entry : image) {
    // A name that no loader asks for in this form is not worth refusing the image.
    if (!check_text(entry.name, "") || !check_text(entry.path, "")) continue;
    if (is_named(entry) && !check_text(entry.hwcap_name, "")) continue;
    if (!taken.contains({entry.flags, entry.name})) out.push_back(entry);
  }
  return out;
}

}  // namespace flense::launch
