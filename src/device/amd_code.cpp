#include "device/amd_code.h"

#include <algorithm>

#include "device/wrappers.h"

namespace flense::device {
namespace {

constexpr std::size_t kMostBundlesOfFile = 100'000;

void add_bundle_gap(Bytes section, std::uint64_t begin, std::uint64_t end, SectionCode& code) {
  if (begin >= end) return;
  const bool zero = std::ranges::all_of(section.subspan(begin, end - begin),
                                        [](std::byte b) { return b == std::byte{0}; });
  code.gaps.push_back({code.offset + begin, end - begin, zero});
}

/// Regions and gaps of one section from its bundles, whose offsets are the section's.
SectionCode places_of(const elf::Section& section, std::size_t index, Bytes bytes,
                      const std::vector<AmdBundle>& bundles) {
  constexpr std::uint64_t kFlagAlloc = 2;
  SectionCode out;
  out.section = section.name;
  out.section_index = index;
  out.offset = section.offset;
  out.address = (section.flags & kFlagAlloc) != 0 ? section.address : 0;
  out.size = bytes.size();
  std::uint64_t covered = 0;
  for (const AmdBundle& bundle : bundles) {
    add_bundle_gap(bytes, covered, bundle.offset, out);
    Region region;
    region.offset = section.offset + bundle.offset;
    region.address = out.address != 0 ? out.address + bundle.offset : 0;
    region.size = bundle.size;
    out.regions.push_back(std::move(region));
    covered = bundle.offset + bundle.size;
  }
  add_bundle_gap(bytes, covered, bytes.size(), out);
  return out;
}

}  // namespace

Result<AmdCode> find_amd_code(const elf::File& file) {
  constexpr std::uint64_t kFlagCompressed = 0x800;
  AmdCode out;
  for (std::size_t i = 0; i < file.sections().size(); ++i) {
    const elf::Section& section = file.sections()[i];
    if (section.name != ".hip_fatbin" || (section.flags & kFlagCompressed) != 0) continue;
    const Bytes bytes = file.section_bytes(section);
    if (bytes.size() > file.bytes().size() - out.section_bytes)
      return bad_input("{}: sections .hip_fatbin overlap", file.name());
    TRY(std::vector<AmdBundle> bundles,
        with_context(read_amd_bundles(bytes), "reading section {} of {}", section.name,
                     file.name()));
    if (out.bundles.size() + bundles.size() > kMostBundlesOfFile)
      return bad_input("{}: more offload bundles than flense handles", file.name());
    if (!bytes.empty()) out.places.sections.push_back(places_of(section, i, bytes, bundles));
    for (AmdBundle& bundle : bundles) {
      bundle.offset += section.offset;
      out.bundles.push_back(std::move(bundle));
    }
    out.section_bytes += bytes.size();
  }
  if (out.places.any()) {
    TRY(out.places.wrappers, read_hip_wrappers(file));
  }
  return out;
}

}  // namespace flense::device
