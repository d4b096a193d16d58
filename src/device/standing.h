// What is known about each region before any target is looked at: who reaches it, and may it move.
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

/// Everything that points into the compactable sections, as classify() needs it: pointers, symbols
/// and other relocations anywhere in them, code operands only where they name a region's start or
/// the section's end. (The scan of code for operands reports chance hits; over whole sections of
/// hundreds of megabytes they would pin everything.)
Result<std::vector<elf::Reference>> references_into(const elf::File& file, const FileCode& code);

struct Classified {
  Standings standings;
  /// Gaps of compactable sections that something points into, [section] -> gap indices: kept in
  /// place even where they are zero.
  std::vector<std::set<std::size_t>> pinned_gaps;
};

/// `references` as from references_into().
Classified classify(const FileCode& code, const std::vector<elf::Reference>& references);

}  // namespace flense::device
