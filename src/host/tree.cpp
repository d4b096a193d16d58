#include "host/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/path.h"
#include "base/stream.h"

namespace flense::host {

namespace {

constexpr int kMaxLinks = 40;  // as Linux

std::string_view without_slashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

/// For openat(2) and the like, below the tree's directory.
const char* name_of(const std::string& real) {
  return real.empty() ? "." : real.c_str();
}

/// Where an open file lies; empty when nobody says.
std::string place_of(int fd) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size =
      ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return {};
  return {text.data(), static_cast<std::size_t>(size)};
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Tree::Tree(std::filesystem::path where, std::string name, bool copy)
    : where_(std::move(where)),
      top_(std::make_shared<UniqueFd>(
          ::open(where_.empty() ? "." : where_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))),
      name_(std::move(name)),
      copy_(copy) {}

std::string Tree::label(std::string_view path) const {
  std::string out = name_;
  if (!out.ends_with('/')) out += '/';
  return out.append(without_slashes(path));
}

/// One question to the kernel instead of one a component, for the many paths on which there is no
/// link; nullopt where there is one, and where the kernel has no answer (Linux before 5.6).
std::optional<bool> Tree::exists_without_links(const std::string& path) const {
  struct open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, top_->get(), name_of(path), &how, sizeof how)));
  if (fd) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return std::nullopt;
}

/// The same for a path with links: resolve()'s answer, and false where the kernel's is not to be
/// had.
bool Tree::resolve_by_kernel(const std::string& path, std::optional<std::string>& out) const {
  struct open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, top_->get(), name_of(path), &how, sizeof how)));
  out.reset();
  if (!fd) return errno == ENOENT || errno == ENOTDIR;
  const std::string top = place_of(top_->get()), place = place_of(fd.get());
  if (top.empty() || place.empty()) return false;
  if (place == top) {
    out.emplace();
    return true;
  }
  const std::string prefix = top == "/" ? top : top + "/";
  // Whatever else stands there: the place was removed meanwhile, or lies where we cannot see it.
  if (!place.starts_with(prefix)) return false;
  std::string real = place.substr(prefix.size());
  if (exists_without_links(real) != true) return false;
  out = std::move(real);
  return true;
}

std::optional<std::string> Tree::resolve(std::string_view path) const {
  std::string done;
  std::string rest(without_slashes(path));
  while (rest.ends_with('/')) rest.pop_back();
  // Names that begin with a dot are left to the walk, with "." and "..".
  if (!rest.starts_with('.') && rest.find("/.") == std::string::npos &&
      rest.find("//") == std::string::npos)
    if (const auto there = exists_without_links(rest))
      return *there ? std::optional(std::move(rest)) : std::nullopt;
  if (std::optional<std::string> real; resolve_by_kernel(rest, real)) return real;
  int links = 0;
  while (true) {
    const std::string_view left = without_slashes(rest);
    if (left.empty()) return done;
    const std::size_t slash = left.find('/');
    const std::string component(left.substr(0, slash));
    std::string after(slash == std::string_view::npos ? "" : left.substr(slash + 1));
    if (component == "." || component == "..") {
      done = resolve_link_text(done, component);
      rest = std::move(after);
      continue;
    }
    std::string next = done.empty() ? component : done + "/" + component;
    struct stat status{};
    if (::fstatat(top_->get(), next.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return std::nullopt;
    if (!S_ISLNK(status.st_mode)) {
      done = std::move(next);
      rest = std::move(after);
      continue;
    }
    if (++links > kMaxLinks) return std::nullopt;
    std::array<char, PATH_MAX> text{};
    const ssize_t size = ::readlinkat(top_->get(), next.c_str(), text.data(), text.size());
    if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return std::nullopt;
    const std::string_view target(text.data(), static_cast<std::size_t>(size));
    if (target.front() == '/') done.clear();
    rest = fmt::format("{}/{}", target, after);
  }
}

Result<UniqueFd> Tree::open(std::string_view path) const {
  const std::optional<std::string> real = resolve(path);
  if (!real) return system_error(ENOENT, "cannot read " + label(path));
  // Without O_NONBLOCK a pipe in a hostile tree would hold us for ever.
  UniqueFd fd(::openat(top_->get(), name_of(*real),
                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error(errno, "cannot read " + label(path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "cannot read " + label(path));
  if (!S_ISREG(status.st_mode)) return bad_input("{} is no regular file", label(path));
  return fd;
}

Result<std::string> Tree::read(std::string_view path, std::uint64_t limit) const {
  TRY(const UniqueFd fd, open(path));
  FdSource source(fd.get(), label(path));
  return read_all(source, limit, label(path));
}

Result<MappedFile> Tree::map(std::string_view path) const {
  TRY(const UniqueFd fd, open(path));
  return MappedFile::map(fd.get(), label(path));
}

bool Tree::exists(std::string_view path) const {
  return resolve(path).has_value();
}

bool Tree::is_directory(std::string_view path) const {
  const std::optional<std::string> real = resolve(path);
  struct stat status{};
  return real && ::fstatat(top_->get(), name_of(*real), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

std::optional<Tree> Tree::below(std::string_view path, std::string name, bool copy) const {
  const std::optional<std::string> real = resolve(path);
  if (!real || !is_directory(*real)) return std::nullopt;
  return Tree(where_ / *real, std::move(name), copy);
}

std::vector<std::string> Tree::list(std::string_view path, std::size_t limit) const {
  std::vector<std::string> names;
  const std::optional<std::string> real = resolve(path);
  if (!real) return names;
  const int fd =
      ::openat(top_->get(), name_of(*real), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDirectory> listing(fd < 0 ? nullptr : ::fdopendir(fd));
  if (!listing) {
    if (fd >= 0) ::close(fd);
    return names;
  }
  while (names.size() < limit) {
    const dirent* item = ::readdir(listing.get());
    if (item == nullptr) break;
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Machine::Machine(const Places& places)
    : root(places.root, "/"),
      proc(places.proc.empty() ? places.root / "proc" : places.proc, "/proc"),
      sys(places.sys.empty() ? places.root / "sys" : places.sys, "/sys"),
      dev(places.dev.empty() ? places.root / "dev" : places.dev, "/dev",
          (places.dev.empty() ? places.root / "dev" : places.dev) != "/dev") {}

}  // namespace flense::host
