#include "device/fatbin.h"

#include <algorithm>

#include "base/checked.h"

namespace flense::device {
namespace {

constexpr std::uint32_t kRegionMagic = 0xBA55ED50;
constexpr std::uint16_t kRegionVersion = 1;
constexpr std::uint64_t kEntryHeaderLeast = 64;
/// Longest seen: 184. Names and option texts stay far below this.
constexpr std::uint64_t kEntryHeaderMost = 1 << 20;
constexpr std::uint16_t kEntryVersion = 0x0101;
constexpr std::uint64_t kFlagArchitectureSpecific = 0x100000;
constexpr std::uint64_t kFlagFamilySpecific = 0x200000;
constexpr std::size_t kMostEntriesPerRegion = 1 << 16;

EntryKind kind_of(std::uint16_t value) {
  switch (value) {
    case 1:
      return EntryKind::kPtx;
    case 2:
      return EntryKind::kCubin;
    case 8:
      return EntryKind::kLtoIr;
    default:
      return EntryKind::kUnknown;
  }
}

/// The 64 fixed bytes of an entry header; `bytes` holds at least these.
Entry read_entry(Bytes bytes, std::uint64_t offset) {
  Entry entry;
  entry.kind = kind_of(load_le<std::uint16_t>(bytes, 0));
  entry.offset = offset;
  entry.header_size = load_le<std::uint32_t>(bytes, 4);
  entry.payload_size = load_le<std::uint64_t>(bytes, 8);
  entry.version_minor = load_le<std::uint16_t>(bytes, 24);
  entry.version_major = load_le<std::uint16_t>(bytes, 26);
  entry.flags = load_le<std::uint64_t>(bytes, 40);
  entry.uncompressed_size = load_le<std::uint64_t>(bytes, 56);
  const auto number = load_le<std::uint32_t>(bytes, 28);
  const bool architecture = (entry.flags & kFlagArchitectureSpecific) != 0;
  const bool family = (entry.flags & kFlagFamilySpecific) != 0;
  entry.arch.number = number;
  if (architecture) entry.arch.variant = CudaArch::Variant::kArchitecture;
  if (family) entry.arch.variant = CudaArch::Variant::kFamily;
  // A combination that no known compiler writes may mean anything: it is kept.
  if ((architecture && family) || number < 10 || number > 999) entry.kind = EntryKind::kUnknown;
  return entry;
}

}  // namespace

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::kPtx:
      return "ptx";
    case EntryKind::kCubin:
      return "cubin";
    case EntryKind::kLtoIr:
      return "ltoir";
    case EntryKind::kUnknown:
      break;
  }
  return "unknown";
}

Result<Region> parse_region(Bytes bytes, std::uint64_t offset) {
  TRY(const Bytes header, slice(bytes, offset, kRegionHeaderSize, "fat binary region header"));
  if (load_le<std::uint32_t>(header, 0) != kRegionMagic)
    return bad_input("no fat binary region at offset {:#x}: wrong magic", offset);
  if (load_le<std::uint16_t>(header, 4) != kRegionVersion ||
      load_le<std::uint16_t>(header, 6) != kRegionHeaderSize)
    return bad_input("fat binary region at offset {:#x} is of an unknown version", offset);
  const auto entries_size = load_le<std::uint64_t>(header, 8);
  TRY(const Bytes body,
      slice(bytes, offset + kRegionHeaderSize, entries_size, "fat binary region"));

  Region region;
  region.offset = offset;
  region.size = kRegionHeaderSize + entries_size;
  for (std::uint64_t position = 0; position < body.size();) {
    const Bytes rest = body.subspan(position);
    const std::uint64_t at = offset + kRegionHeaderSize + position;
    if (rest.size() < kEntryHeaderLeast)
      return bad_input("fat binary entry at offset {:#x} is cut short", at);
    if (load_le<std::uint16_t>(rest, 2) != kEntryVersion)
      return bad_input("fat binary entry at offset {:#x} is of an unknown version", at);
    const Entry entry = read_entry(rest, kRegionHeaderSize + position);
    if (entry.header_size < kEntryHeaderLeast || entry.header_size > kEntryHeaderMost)
      return bad_input("fat binary entry at offset {:#x} has a header of {} bytes", at,
                       entry.header_size);
    if (entry.header_size > rest.size() ||
        !range_fits(entry.header_size, entry.payload_size, rest.size()))
      return bad_input("fat binary entry at offset {:#x} reaches past its region", at);
    if (region.entries.size() >= kMostEntriesPerRegion)
      return bad_input("fat binary region at offset {:#x} has more than {} entries", offset,
                       kMostEntriesPerRegion);
    region.entries.push_back(entry);
    position += entry.size();
  }
  return region;
}

std::vector<std::byte> region_header(std::uint64_t entries_size) {
  std::vector<std::byte> header(kRegionHeaderSize);
  store_le<std::uint32_t>(header, 0, kRegionMagic);
  store_le<std::uint16_t>(header, 4, kRegionVersion);
  store_le<std::uint16_t>(header, 6, kRegionHeaderSize);
  store_le<std::uint64_t>(header, 8, entries_size);
  return header;
}

}  // namespace flense::device
