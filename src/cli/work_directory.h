// A private directory for what a command makes on the way; gone at the end, whatever happens.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/result.h"

namespace flense::cli {

class WorkDirectory {
 public:
  static Result<WorkDirectory> create(const std::filesystem::path& parent) {
    std::string name = (parent / "flense-work-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      return system_error(errno, "cannot create a directory in " + parent.string());
    WorkDirectory out;
    out.path_ = name;
    return out;
  }
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  ~WorkDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  WorkDirectory() = default;
  std::filesystem::path path_;
};

}  // namespace flense::cli
