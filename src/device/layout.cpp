#include "device/layout.h"

#include <algorithm>

namespace flense::device {
namespace {

/// Keeps a region's alignment, up to a cache line; code may copy it with wide loads.
constexpr std::uint64_t kMostAlignment = 64;

std::uint64_t natural_alignment(std::uint64_t address, std::uint64_t most) {
  return std::min(most, address & (~address + 1));
}

elf::Piece unchanged(std::uint64_t address, std::uint64_t offset, std::uint64_t size) {
  return {address, size, address, size, {{offset, size, {}}}};
}

/// The region with the dropped entries left out; new_address is set by the caller.
elf::Piece rewritten(const Region& region, const std::vector<bool>& kept,
                     const std::vector<Bytes>& instead) {
  elf::Piece piece;
  piece.old_address = region.address;
  piece.old_size = region.size;
  const auto replaced = [](Bytes bytes) { return !bytes.empty(); };
  if (std::ranges::find(kept, false) == kept.end() && std::ranges::none_of(instead, replaced)) {
    piece.new_size = region.size;
    piece.parts.push_back({region.offset, region.size, {}});
    return piece;
  }
  std::uint64_t entries_size = 0;
  std::vector<elf::PiecePart> parts;
  for (std::size_t k = 0; k < region.entries.size(); ++k) {
    if (!kept[k]) continue;
    const Entry& entry = region.entries[k];
    const std::uint64_t offset = region.offset + entry.offset;
    const bool other = !instead.empty() && replaced(instead[k]);
    const std::uint64_t size = other ? instead[k].size() : entry.size();
    entries_size += size;
    if (other) {
      parts.push_back({0, size, {}, instead[k]});
    } else if (!parts.empty() && parts.back().from_input() &&
               parts.back().file_offset + parts.back().size == offset) {
      parts.back().size += size;
    } else {
      parts.push_back({offset, size, {}});
    }
  }
  piece.new_size = kRegionHeaderSize + entries_size;
  piece.parts.push_back({0, kRegionHeaderSize, region_header(entries_size)});
  piece.parts.insert(piece.parts.end(), parts.begin(), parts.end());
  return piece;
}

}  // namespace

elf::SectionEdit place(const SectionCode& section, const std::vector<RegionStanding>& standings,
                       const std::set<std::size_t>& pinned_gaps, std::vector<elf::Piece> pieces,
                       std::uint64_t most_alignment) {
  std::vector<elf::Piece> fixed;
  for (std::size_t g = 0; g < section.gaps.size(); ++g) {
    const Gap& gap = section.gaps[g];
    if (gap.zero && !pinned_gaps.contains(g)) continue;
    fixed.push_back(
        unchanged(section.address + (gap.offset - section.offset), gap.offset, gap.size));
  }
  for (std::size_t j = 0; j < section.regions.size(); ++j) {
    const Region& region = section.regions[j];
    if (!standings[j].movable)
      fixed.push_back(unchanged(region.address, region.offset, region.size));
  }
  std::ranges::sort(fixed, {}, &elf::Piece::new_address);

  // The cursor never passes a region's old address: all before it was at least as large. So the
  // old place is always free, and the search ends inside the section.
  std::vector<elf::Piece> moved;
  std::uint64_t cursor = section.address;
  std::size_t obstacle = 0;
  for (std::size_t j = 0; j < section.regions.size(); ++j) {
    const Region& region = section.regions[j];
    if (!standings[j].movable) continue;
    elf::Piece& piece = pieces[j];
    const std::uint64_t alignment = natural_alignment(region.address, most_alignment);
    const auto aligned = [&](std::uint64_t at) { return (at + alignment - 1) & ~(alignment - 1); };
    std::uint64_t place = aligned(cursor);
    while (obstacle < fixed.size() && place + piece.new_size > fixed[obstacle].new_address) {
      place = aligned(std::max(cursor, fixed[obstacle].new_address + fixed[obstacle].new_size));
      ++obstacle;
    }
    piece.new_address = place;
    cursor = place + piece.new_size;
    moved.push_back(std::move(piece));
  }

  elf::SectionEdit edit;
  edit.section = section.section_index;
  edit.pieces = std::move(fixed);
  edit.pieces.insert(edit.pieces.end(), std::make_move_iterator(moved.begin()),
                     std::make_move_iterator(moved.end()));
  std::ranges::sort(edit.pieces, {}, &elf::Piece::new_address);
  return edit;
}

elf::SectionEdit compact(const SectionCode& section, const std::vector<RegionStanding>& standings,
                         const std::set<std::size_t>& pinned_gaps,
                         const std::vector<std::vector<bool>>& kept,
                         const std::vector<std::vector<Bytes>>& instead) {
  std::vector<elf::Piece> pieces;
  for (std::size_t j = 0; j < section.regions.size(); ++j)
    pieces.push_back(rewritten(section.regions[j], kept[j],
                               instead.empty() ? std::vector<Bytes>() : instead[j]));
  return place(section, standings, pinned_gaps, std::move(pieces), kMostAlignment);
}

}  // namespace flense::device
