// Why an image weighs what it does: each byte of its unpacked layers under exactly one reason, so
// that the reasons of two images can be compared and their sum is the image.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"

namespace flense::inventory {

// Reasons beside the ids of waste_rules().
inline constexpr const char* kReasonArchive = "tar-headers";      ///< headers, padding, end marks
inline constexpr const char* kReasonShadowed = "shadowed-files";  ///< what no container sees
inline constexpr const char* kReasonDevice = "device-code";       ///< for GPUs, in any file
inline constexpr const char* kReasonDebug = "debug-sections";     ///< debug sections, symbol tables
inline constexpr const char* kReasonElf = "programs-and-libraries";  ///< the rest of ELF files
inline constexpr const char* kReasonOther = "other-files";

/// A content with several names counts under the first one in the order of paths.
std::map<std::string, std::uint64_t> reasons_of(const Contents& contents);

/// The same from an inventory alone, which does not list the files: what is not told apart is
/// `other-files`.
std::map<std::string, std::uint64_t> reasons_of(const Inventory& inventory);

}  // namespace flense::inventory
