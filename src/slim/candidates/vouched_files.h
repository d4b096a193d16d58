// Files whose very content something vouches for: a changed byte, and the kernel refuses to run
// them, or the store that names them by their content has lied.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "image/model/image.h"
#include "inventory/scan/contents.h"

namespace flense::slim {

/// Nothing is vouched for where it was not made by find().
class VouchedFiles {
 public:
  static VouchedFiles find(const image::Image& image, const inventory::Contents& contents);

  /// Why the file must not change; empty: it may. A signed one may go as a whole, one of a store
  /// may not: there the hash is that of all files.
  std::string why(image::EntryRef ref, std::string_view path, bool removed) const;

 private:
  std::string store_of(std::string_view path) const;

  std::vector<std::map<std::uint32_t, std::string>> signatures_;  ///< by layer
  std::string root_;  ///< of a directory: where the machine has it
  std::set<std::string, std::less<>> spack_;
};

}  // namespace flense::slim
