// One file divided into parts: device code by architecture, debug sections, the rest; each part
// stays or goes as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inventory/scan/layer_scan.h"
#include "report/images/member_fates.h"

namespace flense::report {

enum class PartKind : std::uint8_t { kCode, kDebug, kRest };
/// kHeldBack: could go, and stays for a reason that the report gives.
enum class PartVerdict : std::uint8_t { kStays, kGoes, kHeldBack };

struct FilePart {
  PartKind kind = PartKind::kRest;
  std::string name;  ///< "sm_90", "ptx_90", "gfx942", "debug sections and symbol tables"
  PartVerdict verdict = PartVerdict::kStays;
  std::string reason;  ///< id of the cut; of what stays: why, empty for files as such
  std::uint64_t bytes = 0;
};

/// Parts whose bytes sum to `stored` and of which those that go sum to fate.given_back (at most
/// `stored`). One part when there is nothing to tell apart.
std::vector<FilePart> file_parts(std::uint64_t stored, const MemberFate& fate,
                                 const inventory::ElfFacts* elf, const inventory::BareCode* bare);

}  // namespace flense::report
