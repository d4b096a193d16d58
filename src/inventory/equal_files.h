// Files of one layer with equal content under several names. Told by size and first bytes while the
// layer is read, then by the digests of those few, so that nothing else of a plain layer is hashed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "inventory/scan/contents.h"
#include "inventory/scan/scan.h"
#include "inventory/self_checked.h"

namespace flense::inventory {

inline constexpr std::string_view kEqualFiles = "equal-files";
inline constexpr std::string_view kEqualFilesSummary = "equal files that become hard links";

/// How much of a file fingerprint() looks at.
inline constexpr std::size_t kHeadBytes = 4096;
std::uint64_t fingerprint(Bytes head);

/// Of members that may have equals, what the first look at the layer left.
struct MembersSeen {
  std::map<std::uint32_t, std::string> digests;  ///< SHA-256, where content comes by only once
  std::map<std::uint32_t, Bytes> bytes;          ///< content that stays where it is
};

/// Files with extended attributes are left out; a sparse file may show a terabyte of zeros.
bool may_have_equals(const image::LayerEntry& entry);

/// Fills `scan.hashes` where equal files could give back a thousandth of the layer or more. Takes a
/// second look at the layer where nothing was `seen`. Depends on the layer alone.
Result<void> hash_equal_files(const image::Image& image, std::size_t layer,
                              const ScanOptions& options, const MembersSeen& seen, LayerScan& scan);

/// `path` can become a hard link to `target`, which comes before it in the same layer.
struct EqualFile {
  image::EntryRef entry, target;
  std::string path, target_path;
  std::uint64_t bytes = 0;
};

/// True when other passes leave the member where it is.
using Stays = std::function<bool(image::EntryRef entry, std::string_view path)>;

/// Equal files with equal owner and mode at places that programs read and do not write. A link
/// shows the time of the file it leads to.
std::vector<EqualFile> find_equal_files(const Contents& contents, const SelfChecked& self_checked,
                                        const Stays& stays);

}  // namespace flense::inventory
