#include "launch/in_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/stream.h"

namespace flense::launch {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Result<UniqueFd> open_in_root(int root, std::string_view path, std::uint64_t flags) {
  struct open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string name(path.empty() ? "." : path);
  const long fd = ::syscall(SYS_openat2, root, name.c_str(), &how, sizeof how);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  if (errno == ENOSYS)
    return fail(Code::kEnvironment,
                "this kernel lacks openat2 (Linux 5.6), without which paths of an image cannot be "
                "resolved safely");
  return system_error(errno, "cannot open " + name + " in the image");
}

FileKind kind_in_root(int root, std::string_view path) {
  const auto fd = open_in_root(root, path, O_PATH);
  struct stat status{};
  if (!fd || ::fstat(fd->get(), &status) != 0) return FileKind::kMissing;
  if (S_ISDIR(status.st_mode)) return FileKind::kDirectory;
  return S_ISREG(status.st_mode) ? FileKind::kFile : FileKind::kOther;
}

Result<std::string> read_in_root(int root, std::string_view path, std::uint64_t limit) {
  // Without O_NONBLOCK a pipe of that name would hold us for ever.
  TRY(const UniqueFd fd, open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return bad_input("{} of the image is no regular file", path);
  FdSource source(fd.get(), std::string(path));
  return read_all(source, limit, path);
}

bool is_empty_directory(int root, std::string_view path) {
  auto opened = open_in_root(root, path, O_RDONLY | O_DIRECTORY);
  if (!opened) return false;
  const int own = ::dup(opened->get());
  const std::unique_ptr<DIR, CloseDirectory> listing(own < 0 ? nullptr : ::fdopendir(own));
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
