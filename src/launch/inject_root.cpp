#include "launch/inject_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/path.h"
#include "base/stream.h"

namespace flense::launch {
namespace {

constexpr int kMaxLinks = 40;  // as Linux

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

std::string label(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return "/" + std::string(path) + " of the image";
}

}  // namespace

Result<UniqueFd> ImageRoot::open(std::string_view path, std::uint64_t flags) const {
  const std::string name = path.empty() ? std::string(".") : std::string(path);
  struct open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root_.get(), name.c_str(), &how, sizeof how);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  if (errno == ENOSYS)
    return fail(Code::kEnvironment,
                "this kernel lacks openat2 (Linux 5.6), without which an image's files cannot be "
                "looked at safely");
  return system_error(errno, "cannot open " + label(path));
}

Result<UniqueFd> ImageRoot::open_file(std::string_view path) const {
  // Without O_NONBLOCK a pipe in the image would hold us for ever. What a device does when it is
  // opened is not to be known, so the kind is asked for first.
  TRY(const UniqueFd place, open(path, O_PATH));
  struct stat status{};
  if (::fstat(place.get(), &status) != 0) return system_error(errno, "cannot read " + label(path));
  if (!S_ISREG(status.st_mode)) return bad_input("{} is no regular file", label(path));
  TRY(UniqueFd fd, open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "cannot read " + label(path));
  if (!S_ISREG(status.st_mode)) return bad_input("{} is no regular file", label(path));
  return fd;
}

Result<std::string> ImageRoot::read(std::string_view path, std::uint64_t limit) const {
  TRY(const UniqueFd fd, open_file(path));
  FdSource source(fd.get(), label(path));
  return read_all(source, limit, label(path));
}

Result<MappedFile> ImageRoot::map(std::string_view path) const {
  TRY(const UniqueFd fd, open_file(path));
  return MappedFile::map(fd.get(), label(path));
}

bool ImageRoot::exists(std::string_view path) const {
  return open(path, O_PATH).has_value();
}

std::string ImageRoot::identity(std::string_view path) const {
  const auto place = open(path, O_PATH);
  struct stat status{};
  if (!place || ::fstat(place->get(), &status) != 0) return {};
  return fmt::format("{} {} {}.{} {}.{}", status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

std::vector<std::string> ImageRoot::list(std::string_view path) const {
  std::vector<std::string> names;
  const auto fd = open(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return names;
  const std::unique_ptr<DIR, DirCloser> dir(::fdopendir(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0)));
  while (dir != nullptr && names.size() < kMaxNames) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

std::string ImageRoot::real(std::string_view path) const {
  std::string done;
  std::string rest(path);
  int links = 0;
  while (true) {
    std::string_view left = rest;
    while (left.starts_with('/')) left.remove_prefix(1);
    if (left.empty()) break;
    const std::size_t slash = left.find('/');
    const std::string component(left.substr(0, slash));
    const std::string after(slash == std::string_view::npos ? "" : left.substr(slash + 1));
    if (component == "." || component == "..") {
      done = resolve_link_text(done, component);
      rest = after;
      continue;
    }
    const std::string next = done.empty() ? component : done + "/" + component;
    const auto place = open(next, O_PATH | O_NOFOLLOW);
    struct stat status{};
    if (!place || ::fstat(place->get(), &status) != 0) return {};
    if (!S_ISLNK(status.st_mode)) {
      done = next;
      rest = after;
      continue;
    }
    std::array<char, 4096> target;
    const ssize_t size = ::readlinkat(place->get(), "", target.data(), target.size());
    if (++links > kMaxLinks || size <= 0 || static_cast<std::size_t>(size) == target.size())
      return {};
    if (target.front() == '/') done.clear();
    rest = std::string(target.data(), static_cast<std::size_t>(size)) + "/" + after;
  }
  const auto place = open(done, O_PATH);
  struct stat status{};
  if (!place || ::fstat(place->get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return "/" + done;
}

}  // namespace flense::launch
