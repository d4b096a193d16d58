#include "device/scan.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace flense::device {
namespace {

/// Magic, version 1 and header size 16 as one little-endian word.
constexpr std::uint64_t kHeaderWord = 0x0010'0001'BA55'ED50;
constexpr std::uint64_t kRegionAlignment = 8;

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

void add_gap(Bytes section, std::uint64_t begin, std::uint64_t end, SectionCode& code) {
  if (begin == end) return;
  code.gaps.push_back(
      {code.offset + begin, end - begin, all_zero(section.subspan(begin, end - begin))});
}

}  // namespace

std::size_t find_region_header(Bytes bytes, std::size_t from) {
  constexpr std::size_t kWords = 8;
  std::size_t at = from;
  // Whole cache lines first; summing the comparisons needs no branches, so the loop runs at memory
  // speed.
  for (; at <= bytes.size() && bytes.size() - at >= kWords * 8; at += kWords * 8) {
    std::array<std::uint64_t, kWords> words;
    std::memcpy(words.data(), bytes.data() + at, sizeof words);
    unsigned hits = 0;
    for (std::uint64_t word : words) hits += word == kHeaderWord ? 1 : 0;
    if (hits != 0) break;
  }
  for (; at <= bytes.size() && bytes.size() - at >= 8; at += 8)
    if (load_le<std::uint64_t>(bytes, at) == kHeaderWord) return at;
  return bytes.size();
}

Result<void> scan_section(Bytes section, SectionCode& code, ScanBudget& budget) {
  if (section.size() > budget.bytes)
    return bad_input("the sections hold more bytes than the file: they overlap");
  budget.bytes -= section.size();
  const std::uint64_t base = code.address != 0 ? code.address : code.offset;
  const auto aligned = [&](std::uint64_t position) {
    return position + (kRegionAlignment - (base + position) % kRegionAlignment) % kRegionAlignment;
  };
  std::uint64_t covered = 0;
  std::uint64_t position = aligned(0);
  while (true) {
    position = find_region_header(section, position);
    if (position >= section.size()) break;
    auto region = parse_region(section, position);
    if (!region) {
      if (budget.false_hits == 0)
        return bad_input("too many broken fat binary regions; the last at offset {:#x}",
                         code.offset + position);
      --budget.false_hits;
      position += kRegionAlignment;
      continue;
    }
    if (budget.regions == 0 || budget.entries < region->entries.size())
      return bad_input("more fat binary regions or entries than flense handles, at offset {:#x}",
                       code.offset + position);
    --budget.regions;
    budget.entries -= region->entries.size();
    add_gap(section, covered, position, code);
    covered = position + region->size;
    region->offset = code.offset + position;
    region->address = code.address != 0 ? code.address + position : 0;
    region->entries.shrink_to_fit();
    code.regions.push_back(std::move(*region));
    position = aligned(covered);
  }
  add_gap(section, covered, section.size(), code);
  return {};
}

}  // namespace flense::device
