// Directories for this user alone, inside directories that others may write to: lasting ones, and
// temporary ones that are removed with their owner.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/result.h"

namespace flense {

/// Opens the directory for reading; it and what is missing above it are made, for this user alone.
/// An environment error when it cannot be used: it or what it would lie in belongs to somebody
/// else, others may write to it, it is a symbolic link.
Result<UniqueFd> open_private_directory(const std::filesystem::path& directory);

/// For temporary files; removed with its owner, whatever happens.
class TemporaryDirectory {
 public:
  /// Made in `parent` as `name` and a random part, for the user alone (mkdtemp(3)).
  static Result<TemporaryDirectory> create(const std::filesystem::path& parent,
                                           std::string_view name);
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  TemporaryDirectory() = default;
  std::filesystem::path path_;
};

}  // namespace flense
