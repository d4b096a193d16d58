// Files of one layer with equal content under several names (inventory/scan/equal_hashes.h) that
// can become hard links of one another.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "inventory/scan/contents.h"
#include "slim/candidates/self_checked.h"

namespace flense::slim {

/// `path` can become a hard link to `target`, which comes before it in the same layer.
struct EqualFile {
  image::EntryRef entry, target;
  std::string path, target_path;
  std::uint64_t bytes = 0;
};

/// True when other passes leave the member where it is.
using Stays = std::function<bool(image::EntryRef entry, std::string_view path)>;

/// Equal files with equal owner and mode at places that programs read and do not write, and
/// weights wherever they lie if `weights_anywhere`: in a layer, a write to one name copies that
/// name up and leaves the other as it was (kernel documentation of overlayfs, "Non-standard
/// behavior"). A link shows the time of the file it leads to.
std::vector<EqualFile> find_equal_files(const inventory::Contents& contents,
                                        const SelfChecked& self_checked, const Stays& stays,
                                        bool weights_anywhere);

}  // namespace flense::slim
