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

#include "base/file.h"
#include "base/path.h"
#include "base/stream.h"

namespace flense::host {

namespace {

constexpr int kMaxLinks = 40;  // as Linux

std::string_view without_slashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

/// Names between single slashes, none of which begins with a dot: "." and ".." are left to the
/// walk.
bool is_plain(std::string_view path) {
  return !path.starts_with('.') && !path.ends_with('/') &&
         path.find("/.") == std::string_view::npos && path.find("//") == std::string_view::npos;
}

std::string join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

/// For openat(2) and the like, below the tree's directory.
const char* name_of(const std::string& real) {
  return real.empty() ? "." : real.c_str();
}

}  // namespace

Tree::Tree(const std::filesystem::path& where, std::string name, bool copy, Recall recall)
    : Tree(std::make_shared<TreeMemory>(UniqueFd(::open(where.empty() ? "." : where.c_str(),
                                                        O_PATH | O_DIRECTORY | O_CLOEXEC)),
                                        recall),
           where, std::move(name), copy) {}

Tree::Tree(std::shared_ptr<TreeMemory> memory, std::filesystem::path where, std::string name,
           bool copy)
    : memory_(std::move(memory)), where_(std::move(where)), name_(std::move(name)), copy_(copy) {}

std::string Tree::label(std::string_view path) const {
  std::string out = name_;
  if (!out.ends_with('/')) out += '/';
  return out.append(without_slashes(path));
}

/// One question to the kernel instead of one a component; ELOOP where there is a link on the way,
/// ENOSYS before Linux 5.6.
UniqueFd Tree::open_without_links(const std::string& path, int flags) const {
  struct open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, memory_->top(), name_of(path), &how, sizeof how)));
}

/// nullopt where there is a link, and where the kernel has no answer.
std::optional<bool> Tree::exists_without_links(const std::string& path) const {
  if (open_without_links(path, O_PATH)) return true;
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
      static_cast<int>(::syscall(SYS_openat2, memory_->top(), name_of(path), &how, sizeof how)));
  out.reset();
  if (!fd) return errno == ENOENT || errno == ENOTDIR;
  const std::string top = memory_->top_place(), place = place_of(fd.get());
  if (top.empty() || place.empty()) return false;
  if (place == top) {
    out.emplace();
    return true;
  }
  const std::string prefix = top == "/" ? top : top + "/";
  // Anything else there: the file was removed meanwhile, or is out of our sight.
  if (!place.starts_with(prefix)) return false;
  std::string real = place.substr(prefix.size());
  if (exists_without_links(real) != true) return false;
  out = std::move(real);
  return true;
}

std::optional<std::string> Tree::resolve(std::string_view path) const {
  std::string name(without_slashes(path));
  while (name.ends_with('/')) name.pop_back();
  if (const auto known = memory_->place(name)) return *known;
  std::optional<std::string> real = resolve_anew(name);
  memory_->keep_place(name, real);
  return real;
}

/// The path with its directory's links followed where it is known where that lies; else as it is.
std::string Tree::through_parent(const std::string& path) const {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return path;
  const auto parent = memory_->place(path.substr(0, slash));
  return parent && *parent ? join(**parent, path.substr(slash + 1)) : path;
}

std::optional<std::string> Tree::resolve_anew(const std::string& path) const {
  if (!is_plain(path)) {
    std::optional<std::string> real;
    return resolve_by_kernel(path, real) ? real : resolve_by_steps(path);
  }
  std::string name = through_parent(path);
  if (const auto there = exists_without_links(name))
    return *there ? std::optional(std::move(name)) : std::nullopt;
  // A link on the way is followed once for everything below it. The kernel allows no longer path,
  // and this bounds the depth.
  if (const std::size_t slash = path.rfind('/');
      name == path && slash != std::string::npos && path.size() < PATH_MAX) {
    const std::optional<std::string> parent = resolve(path.substr(0, slash));
    if (!parent) return std::nullopt;
    name = join(*parent, path.substr(slash + 1));
    if (name != path)
      if (const auto there = exists_without_links(name))
        return *there ? std::optional(std::move(name)) : std::nullopt;
  }
  if (std::string target = link_to_neighbour(name); !target.empty()) {
    if (const auto known = memory_->place(target)) return *known;
    if (exists_without_links(target) == true) return target;
  }
  std::optional<std::string> real;
  return resolve_by_kernel(name, real) ? real : resolve_by_steps(name);
}

/// As most libraries' links are: where it leads if that is a name in its own directory; else empty.
std::string Tree::link_to_neighbour(const std::string& path) const {
  std::array<char, NAME_MAX + 1> text{};
  const ssize_t size = ::readlinkat(memory_->top(), name_of(path), text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return {};
  const std::string_view name(text.data(), static_cast<std::size_t>(size));
  if (!is_plain(name) || name.find('/') != std::string_view::npos) return {};
  const std::size_t slash = path.rfind('/');
  return join(slash == std::string::npos ? std::string() : path.substr(0, slash), name);
}

/// As the kernel would, component by component.
std::optional<std::string> Tree::resolve_by_steps(std::string rest) const {
  std::string done;
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
    std::string next = join(done, component);
    struct stat status{};
    if (::fstatat(memory_->top(), next.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return std::nullopt;
    if (!S_ISLNK(status.st_mode)) {
      done = std::move(next);
      rest = std::move(after);
      continue;
    }
    if (++links > kMaxLinks) return std::nullopt;
    std::array<char, PATH_MAX> text{};
    const ssize_t size = ::readlinkat(memory_->top(), next.c_str(), text.data(), text.size());
    if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return std::nullopt;
    const std::string_view target(text.data(), static_cast<std::size_t>(size));
    if (target.front() == '/') done.clear();
    rest = fmt::format("{}/{}", target, after);
  }
}

Result<UniqueFd> Tree::open(std::string_view path) const {
  // Without O_NONBLOCK a pipe in a hostile tree would block us for ever.
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  UniqueFd fd;
  const std::string name(without_slashes(path));
  // What has not been asked for yet usually exists.
  if (!name.empty() && is_plain(name) && !memory_->place(name)) {
    const std::string real = through_parent(name);
    fd = open_without_links(real, kFlags);
    if (fd) memory_->keep_place(name, real);
  }
  if (!fd) {
    const std::optional<std::string> real = resolve(path);
    if (!real) return system_error(ENOENT, "cannot read " + label(path));
    fd = open_without_links(*real, kFlags);
    if (!fd && (errno == ENOSYS || errno == EPERM))  // an older kernel, or an engine's older filter
      fd = UniqueFd(::openat(memory_->top(), name_of(*real), kFlags | O_CLOEXEC));
  }
  if (!fd) return system_error(errno, "cannot read " + label(path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "cannot read " + label(path));
  if (!S_ISREG(status.st_mode)) return bad_input("{} is not a regular file", label(path));
  return fd;
}

Result<std::string> Tree::read(std::string_view path, std::uint64_t limit) const {
  const std::string name(without_slashes(path));
  if (auto known = memory_->text(name); known && known->size() <= limit) return *std::move(known);
  TRY(const UniqueFd fd, open(path));
  FdSource source(fd.get(), label(path));
  TRY(std::string text, read_all(source, limit, label(path)));
  memory_->keep_text(name, text);
  return text;
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
  return real && ::fstatat(memory_->top(), name_of(*real), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

std::optional<Tree> Tree::below(std::string_view path, std::string name, bool copy) const {
  const std::optional<std::string> real = resolve(path);
  if (!real || !is_directory(*real)) return std::nullopt;
  const std::filesystem::path where = where_ / *real;
  return Tree(memory_->below(where), where, std::move(name), copy);
}

std::vector<std::string> Tree::list(std::string_view path, std::size_t limit) const {
  const std::string folder(without_slashes(path));
  std::vector<std::string> names;
  if (auto known = memory_->names(folder)) {
    names = *std::move(known);
    if (names.size() > limit) names.resize(limit);
    return names;
  }
  const std::optional<std::string> real = resolve(path);
  if (!real) return names;
  const int fd =
      ::openat(memory_->top(), name_of(*real), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const UniqueDirectory listing(fd < 0 ? nullptr : ::fdopendir(fd));
  if (!listing) {
    if (fd >= 0) ::close(fd);
    return names;
  }
  const dirent* item = nullptr;
  while (names.size() < limit && (item = ::readdir(listing.get())) != nullptr) {
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  if (item == nullptr && names.size() < limit) memory_->keep_names(folder, names);
  return names;
}

Machine::Machine(const Places& where)
    : places(where.with_all_named()),
      root(places.root, "/", false, Tree::Recall::kKeep),
      proc(places.proc, "/proc", false, Tree::Recall::kKeep),
      sys(places.sys, "/sys", false, Tree::Recall::kKeep),
      dev(places.dev, "/dev", places.dev != "/dev", Tree::Recall::kKeep) {}

Places Places::with_all_named() const {
  return {root, proc.empty() ? root / "proc" : proc, sys.empty() ? root / "sys" : sys,
          dev.empty() ? root / "dev" : dev};
}

}  // namespace flense::host
