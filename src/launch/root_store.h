// Root file systems, unpacked once per image and used read-only: a content-addressed directory on
// this machine, shared by any number of processes. An entry appears whole or not at all; readers
// take no lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "base/result.h"
#include "image/image.h"
#include "text/json.h"

namespace flense::launch {

struct RootFs {
  std::string key;                   ///< 64 hexadecimal digits: what the layers hold
  std::filesystem::path path;        ///< the root directory
  UniqueFd directory;                ///< the same, open (O_PATH)
  std::vector<std::string> notices;  ///< of unpacking; kept with the entry
};

struct ListedRoot {
  std::string key, label;
  std::uint64_t bytes = 0;
  std::int64_t used = 0;  ///< seconds since 1970
};

class RootStore {
 public:
  /// The directory is made for this user alone. An environment error when it cannot be used.
  static Result<RootStore> open(const std::filesystem::path& directory);

  /// The key of an image: its layers' diff_ids, in order.
  static Result<std::string> key_of(const image::Image& image);
  /// What is there; an entry of another form or a damaged one is not.
  Result<std::optional<RootFs>> find(const std::string& key) const;
  /// The same, unpacked now where it is missing. Of many that ask at once one unpacks.
  Result<RootFs> obtain(const image::Image& image, Progress& progress) const;

  std::vector<ListedRoot> list() const;
  Result<void> remove(const std::string& key) const;
  /// Walks the tree again and compares with what was unpacked; the first difference as an error.
  Result<void> verify(const std::string& key) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace flense::launch
