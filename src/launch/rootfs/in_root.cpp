#include "launch/rootfs/in_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/file.h"
#include "base/path.h"
#include "base/stream.h"

namespace flense::launch {

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

Result<void> make_directories_in_root(int root, std::string_view path) {
  for (std::size_t end = 0; end != path.npos && end < path.size();) {
    end = path.find('/', end + 1);
    const std::string_view here = path.substr(0, end);
    if (kind_in_root(root, here) == FileKind::kDirectory) continue;
    TRY(const UniqueFd above, open_in_root(root, parent_path(here), O_PATH | O_DIRECTORY));
    if (::mkdirat(above.get(), std::string(base_name(here)).c_str(), 0755) != 0)
      return system_error(errno, fmt::format("cannot create /{} in the root", here));
  }
  return {};
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
