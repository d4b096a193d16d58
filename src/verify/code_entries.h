// The entries of one region or bundle, before and after: which may be gone, and that the others are
// what they were.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "verify/code_places.h"

namespace flense::verify {

/// Why code of a vendor stays of whom no GPU is named, unless it was asked to go.
inline constexpr const char* kOtherVendor = "no GPU of this vendor is named";
inline constexpr const char* kVendorUnknown =
    "code of a vendor without a target is gone, and no record says whether it was to go";

/// What the linked images of a file still hold, for the PTX of its relocatable code.
struct LinkedCode {
  bool any = false;
  bool covers_all = false;  ///< each holds a cubin for each target, for certain
};

/// The region at `place.now()` of the file after; the reason when there is none.
Result<device::Region> region_after(const ElfPair& pair, const CodePlace& place);
bool covers_targets(const device::Region& region, const CodeRule& rule);

/// Bytes that the region takes after; 0 when it could not be followed. `changed` is set where
/// entries are gone. Errors are of the environment.
Result<std::uint64_t> compare_region(const ElfPair& pair, const CodePlace& place,
                                     const LinkedCode& linked, bool& changed);
Result<std::uint64_t> compare_bundle(const ElfPair& pair, const CodePlace& place, bool& changed);

}  // namespace flense::verify
