#include "doctor/loader_cache.h"

#include <array>
#include <optional>

namespace flense::doctor {

namespace {

constexpr std::string_view kOld = "ld.so-1.7.0";
constexpr std::string_view kNew = "glibc-ld.so.cache1.1";
constexpr std::size_t kOldHeader = 16, kOldEntry = 12;  // magic and count; flags, key, value
constexpr std::size_t kHeader = 48, kEntry = 24;
constexpr std::size_t kMaxPaths = 64, kMaxString = 4096;
// The low byte is the kind of library: 3 is an ELF library for libc 6; the next the architecture.
constexpr std::uint32_t kLibc6 = 0x0003, kX86_64 = 0x0300, kAArch64 = 0x0a00;
constexpr std::uint16_t kMachineX86_64 = 62, kMachineAArch64 = 183;

std::uint32_t wanted_flags(std::uint16_t machine) {
  if (machine == kMachineX86_64) return kX86_64 | kLibc6;
  return machine == kMachineAArch64 ? kAArch64 | kLibc6 : kLibc6;
}

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

}  // namespace

Result<std::vector<std::string>> cached_paths(Bytes cache, std::string_view name,
                                              std::uint16_t machine) {
  TRY(const Bytes bytes, new_format(cache));
  const std::string_view text = as_text(bytes);
  if (!text.starts_with(kNew)) return bad_input("the loader cache is not of glibc's format 1.1");
  if (bytes.size() < kHeader) return bad_input("the loader cache ends within its header");
  const std::uint64_t count = load_le<std::uint32_t>(bytes, kNew.size());
  if (count > (bytes.size() - kHeader) / kEntry)
    return bad_input("the loader cache's table of {} entries is larger than the file", count);
  // 0: written before the field existed; 2: little-endian.
  const auto order = static_cast<unsigned>(bytes[28]) & 3u;
  if (order != 0 && order != 2) return bad_input("the loader cache is marked as not little-endian");

  const std::uint32_t flags = wanted_flags(machine);
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < count && out.size() < kMaxPaths; ++i) {
    const std::size_t at = kHeader + i * kEntry;
    if (load_le<std::uint32_t>(bytes, at) != flags) continue;
    const auto key = string_at(text, load_le<std::uint32_t>(bytes, at + 4));
    const auto value = string_at(text, load_le<std::uint32_t>(bytes, at + 8));
    if (!key || !value)
      return bad_input("entry {} of the loader cache has a string out of bounds", i);
    if (*key == name) out.emplace_back(*value);
  }
  return out;
}

}  // namespace flense::doctor
