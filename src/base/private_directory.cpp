#include "base/private_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace flense {

namespace {

/// Whether we may make something in the nearest directory above that exists: it is ours, or the
/// system's. A directory of another user would let that user put another one in its place; and root
/// working in a user's home would leave there what the user cannot use.
Result<void> check_above(const std::filesystem::path& directory) {
  std::filesystem::path above = directory.parent_path();
  struct stat status{};
  while (::stat(above.c_str(), &status) != 0) {
    if (errno != ENOENT || !above.has_relative_path())
      return system_error(errno, "cannot read " + above.string());
    above = above.parent_path();
  }
  if (status.st_uid == ::geteuid() || status.st_uid == 0) return {};
  return fail(Code::kEnvironment, "{} belongs to another user", above.string());
}

}  // namespace

Result<UniqueFd> open_private_directory(const std::filesystem::path& directory) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::open(directory.c_str(), kFlags));
  if (!fd && errno == ENOENT) {
    TRY_DO(check_above(directory));
    std::filesystem::path at;
    for (const auto& part : directory) {
      at /= part;
      if (::mkdir(at.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR && errno != EROFS &&
          errno != EACCES)
        return system_error(errno, "cannot create " + at.string());
    }
    fd = UniqueFd(::open(directory.c_str(), kFlags));
  }
  if (!fd) return system_error(errno, "cannot open " + directory.string());
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0)
    return system_error(errno, "cannot read " + directory.string());
  if (status.st_uid != ::geteuid())
    return fail(Code::kEnvironment, "{} belongs to another user", directory.string());
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Code::kEnvironment, "others may write to {}", directory.string())
        .hint("chmod go-w " + directory.string());
  return fd;
}

Result<TemporaryDirectory> TemporaryDirectory::create(const std::filesystem::path& parent,
                                                      std::string_view name) {
  std::string path = (parent / (std::string(name) + "-XXXXXX")).string();
  if (::mkdtemp(path.data()) == nullptr)
    return system_error(errno, "cannot create a directory in " + parent.string());
  TemporaryDirectory out;
  out.path_ = path;
  return out;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace flense
