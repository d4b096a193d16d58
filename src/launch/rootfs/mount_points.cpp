#include "launch/rootfs/mount_points.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "base/file.h"
#include "base/path.h"
#include "launch/rootfs/in_root.h"

namespace flense::launch {

namespace {

struct Point {
  const char* path;
  bool directory;
  mode_t mode;
};

constexpr std::array<Point, 16> kPoints = {
    Point{"proc", true, 0755},       Point{"sys", true, 0755},
    Point{"dev", true, 0755},        Point{"tmp", true, 01777},
    Point{"run", true, 0755},        Point{"home", true, 0755},
    Point{"mnt", true, 0755},        Point{"root", true, 0755},
    Point{"etc", true, 0755},        Point{"var", true, 0755},
    Point{"var/tmp", true, 01777},   Point{"etc/resolv.conf", false, 0644},
    Point{"etc/hosts", false, 0644}, Point{"etc/passwd", false, 0644},
    Point{"etc/group", false, 0644}, Point{"etc/ld.so.cache", false, 0644}};

Result<void> make(int root, const Point& point) {
  const std::string path = point.path;
  const auto parent = open_in_root(root, parent_path(path), O_PATH | O_DIRECTORY);
  // /etc is a file, or a dangling link: an image that nobody can repair here.
  if (!parent) return {};
  const std::string name(base_name(path));
  struct stat status{};
  if (::fstatat(parent->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return {};
  if (point.directory) {
    if (::mkdirat(parent->get(), name.c_str(), 0755) != 0)
      return system_error(errno, "cannot create /" + path);
    if ((point.mode & S_ISVTX) != 0 && ::fchmodat(parent->get(), name.c_str(), point.mode, 0) != 0)
      return system_error(errno, "cannot set the mode of /" + path);
    return {};
  }
  const UniqueFd file(::openat(parent->get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, point.mode));
  if (!file) return system_error(errno, "cannot create /" + path);
  return {};
}

}  // namespace

Result<void> make_mount_points(int root) {
  for (const Point& point : kPoints) TRY_DO(make(root, point));
  return {};
}

}  // namespace flense::launch
