// The files of an unpacked image, which is hostile: each is opened below the root by openat2(2)
// with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, so that no link of the image leads to the
// machine's own files, and opening never blocks on devices or pipes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace flense::launch {

class ImageRoot {
 public:
  static constexpr std::size_t kMaxNames = 4096;

  /// `root` must outlive the object.
  explicit ImageRoot(const UniqueFd& root) : root_(root) {}

  /// A regular file of at most `limit` bytes.
  Result<std::string> read(std::string_view path, std::uint64_t limit) const;
  Result<MappedFile> map(std::string_view path) const;
  bool exists(std::string_view path) const;
  /// Inode, size and times of a file or directory in one text; empty when there is none.
  std::string identity(std::string_view path) const;
  /// Names in a directory, sorted; at most kMaxNames. Empty when there is none.
  std::vector<std::string> list(std::string_view path) const;
  /// The path of a regular file with every link followed, with a leading slash: "/lib/libm.so.6"
  /// is "/usr/lib/libm-2.31.so". Empty when there is none.
  std::string real(std::string_view path) const;

 private:
  Result<UniqueFd> open(std::string_view path, std::uint64_t flags) const;

  const UniqueFd& root_;
};

}  // namespace flense::launch
