// Where the kept regions of one section go.
#pragma once

#include <cstddef>
#include <set>
#include <vector>

#include "device/fatbin.h"
#include "device/region_standing.h"
#include "elf/edit.h"

namespace flense::device {

/// Compacts one section: movable regions, in their order, to the first place that fits between
/// pinned ones; gaps that hold bytes stay. `kept[region][entry]` says which entries stay; where
/// `instead[region][entry]` holds something (header and payload, no larger), it takes the entry's
/// place. It must outlive the edit, and may be empty as a whole.
elf::SectionEdit compact(const SectionCode& section, const std::vector<RegionStanding>& standings,
                         const std::set<std::size_t>& pinned_gaps,
                         const std::vector<std::vector<bool>>& kept,
                         const std::vector<std::vector<Bytes>>& instead = {});

/// The same with the pieces given: `pieces[region]` is what becomes of a movable region, no larger
/// than it was; new_address is set here. A piece keeps what alignment its region had, up to
/// `most_alignment`.
elf::SectionEdit place(const SectionCode& section, const std::vector<RegionStanding>& standings,
                       const std::set<std::size_t>& pinned_gaps, std::vector<elf::Piece> pieces,
                       std::uint64_t most_alignment);

}  // namespace flense::device
