// What is known about each region before any target is considered: who reaches it, may it move.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "base/result.h"
#include "device/fatbin.h"
#include "elf/references.h"

namespace flense::device {

enum class Standing {
  kRegistered,    ///< a wrapper points at it: entries may go
  kUnregistered,  ///< reached in another way: entries stay
  kPinned,        ///< addressed by code, from inside, or by nothing known: entries and place stay
};

struct RegionStanding {
  Standing standing = Standing::kPinned;
  bool movable = false;
  bool linked = false;       ///< the device-linked image of a version 2 wrapper
  bool relocatable = false;  ///< relocatable device code: one group with the linked images
  bool in_group() const { return linked || relocatable; }
};

/// Indexed [section][region] as FileCode.
using Standings = std::vector<std::vector<RegionStanding>>;

/// Sections whose regions are registered by wrappers and may be compacted.
bool is_compactable(const SectionCode& section);

/// Everything that points into the compactable sections: pointers, symbols and other relocations
/// anywhere in them, operands of code only where they take the address of a region's head or of a
/// section's end. (The scan of code reports chance hits; over whole sections of hundreds of
/// megabytes they would pin everything.)
struct References {
  std::vector<elf::Reference> list;
  /// Section ends that a reference to this address may mean. Where the next section begins at the
  /// end of one, and no symbol labels the end, it means the next section.
  std::set<std::uint64_t> ends;
};
Result<References> references_into(const elf::File& file, const FileCode& code);

struct Classified {
  Standings standings;
  /// Gaps of compactable sections that something points into, [section] -> gap indices: kept in
  /// place even where they are zero.
  std::vector<std::set<std::size_t>> pinned_gaps;
};

Classified classify(const FileCode& code, const References& references);

}  // namespace flense::device
