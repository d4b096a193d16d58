// Device code that an edit may have moved: CUDA regions and AMD bundles in the sections made for
// them, and where the pointers of the edited file say they are now.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "device/amd_code.h"
#include "device/fatbin.h"
#include "verify/elf_pair.h"

namespace flense::verify {

struct CodePlace {
  elf::Range addresses;                       ///< before
  const device::Region* region = nullptr;     ///< of CUDA
  const device::AmdBundle* bundle = nullptr;  ///< of AMD
  /// A wrapper, or the array of a version 2 wrapper, points at it: entries may be gone.
  bool registered = false;
  bool linked = false;       ///< the linked image of a version 2 wrapper
  bool relocatable = false;  ///< relocatable code: it shares its PTX rule with the linked image
  bool pointed_at = false;
  bool held = false;  ///< something other than a rewritten pointer means a place in it
  std::optional<std::uint64_t> moved_to;

  std::uint64_t now() const { return moved_to.value_or(addresses.begin); }
};

struct CodePlaces {
  std::vector<CodePlace> places;          ///< by address
  std::vector<elf::Range> sections;       ///< of device code that may move
  std::vector<elf::Range> opaque;         ///< bytes in them that are no device code and not zero
  std::vector<elf::Range> pointer_words;  ///< words that follow the moves, judged here; by address

  /// The place that holds `address`; null where none does.
  CodePlace* holding(std::uint64_t address);
  const CodePlace* holding(std::uint64_t address) const;
  bool in_sections(std::uint64_t address) const;
};

/// Finds the places of the file before, and by its pointers where they went. What contradicts is a
/// difference. `code` and `amd` must outlive the result.
Result<CodePlaces> follow_pointers(const ElfPair& pair, const device::FileCode& code,
                                   const device::AmdCode& amd);

/// Differences for places that changed although code takes their address.
void check_code_references(const ElfPair& pair, const std::vector<const CodePlace*>& changed);

}  // namespace flense::verify
