#include "base/in_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/format.h"

namespace flense {

namespace {

Result<std::string> place_of(int fd) {
  std::array<char, 4096> text{};
  const ssize_t size =
      ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), text.data(), text.size());
  if (size <= 0) return system_error(errno, "cannot resolve the path of an open file");
  if (static_cast<std::size_t>(size) == text.size())
    return system_error(ENAMETOOLONG, "cannot resolve the path of an open file");
  return std::string(text.data(), static_cast<std::size_t>(size));
}

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
                "this kernel lacks openat2 (Linux 5.6), which is needed to resolve paths of an "
                "image safely");
  return system_error(errno, "cannot open " + name + " in the image");
}

Result<UniqueFd> open_file_in_root(int root, std::string_view path) {
  const auto check = [&](int fd) -> Result<void> {
    struct stat status{};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
      return bad_input("{} of the image is not a regular file", path);
    return {};
  };
  // Opening a device may have any effect, so the file type is checked first; without O_NONBLOCK a
  // pipe that has taken the name since would block us for ever.
  TRY(const UniqueFd place, open_in_root(root, path, O_PATH));
  TRY_DO(check(place.get()));
  TRY(UniqueFd fd, open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  TRY_DO(check(fd.get()));
  return fd;
}

Result<std::string> real_path_in_root(int root, std::string_view path) {
  TRY(const UniqueFd fd, open_in_root(root, path, O_PATH));
  TRY(const std::string top, place_of(root));
  TRY(const std::string place, place_of(fd.get()));
  if (place == top) return std::string();
  const std::string prefix = top == "/" ? top : top + "/";
  if (!place.starts_with(prefix))
    return fail(Code::kInternal, "/{} of the image leads outside it", path);
  return place.substr(prefix.size());
}

}  // namespace flense
