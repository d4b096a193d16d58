#include "launch/rootfs/in_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/file.h"
#include "base/stream.h"

namespace flense::launch {

namespace {}  // namespace

FileKind kind_in_root(int root, std::string_view path) {
  const auto fd = open_in_root(root, path, O_PATH);
  struct stat status{};
  if (!fd || ::fstat(fd->get(), &status) != 0) return FileKind::kMissing;
  if (S_ISDIR(status.st_mode)) return FileKind::kDirectory;
  return S_ISREG(status.st_mode) ? FileKind::kFile : FileKind::kOther;
}

Result<std::string> read_in_root(int root, std::string_view path, std::uint64_t limit) {
  TRY(const UniqueFd fd, open_file_in_root(root, path));
  FdSource source(fd.get(), std::string(path));
  return read_all(source, limit, path);
}

bool is_empty_directory(int root, std::string_view path) {
  auto opened = open_in_root(root, path, O_RDONLY | O_DIRECTORY);
  if (!opened) return false;
  const int own = ::fcntl(opened->get(), F_DUPFD_CLOEXEC, 0);
  const UniqueDirectory listing(own < 0 ? nullptr : ::fdopendir(own));
  if (!listing) {
    if (own >= 0) ::close(own);
    return false;
  }
  while (const dirent* item = ::readdir(listing.get())) {
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name != "." && name != "..") return false;
  }
  return true;
}

}  // namespace flense::launch
