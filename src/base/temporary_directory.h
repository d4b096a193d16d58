// A private directory for what is made on the way; gone with its owner, whatever happens.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace flense {

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
