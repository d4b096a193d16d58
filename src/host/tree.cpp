#include "host/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/path.h"
#include "base/stream.h"

namespace flense::host {

namespace {

constexpr int kMaxLinks = 40;  // as Linux

std::string_view without_slashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

}  // namespace

std::string Tree::label(std::string_view path) const {
  std::string out = name_;
  if (!out.ends_with('/')) out += '/';
  return out.append(without_slashes(path));
}

std::optional<std::string> Tree::resolve(std::string_view path) const {
  std::string done;
  std::string rest(path);
  int links = 0;
  while (true) {
    const std::string_view left = without_slashes(rest);
    if (left.empty()) return done;
    const std::size_t slash = left.find('/');
    const std::string component(left.substr(0, slash));
    const std::string after(slash == std::string_view::npos ? "" : left.substr(slash + 1));
    if (component == "." || component == "..") {
      done = resolve_link_text(done, component);
      rest = after;
      continue;
    }
    const std::string next = done.empty() ? component : done + "/" + component;
    const std::filesystem::path here = where_ / next;
    struct stat status{};
    if (::lstat(here.c_str(), &status) != 0) return std::nullopt;
    if (!S_ISLNK(status.st_mode)) {
      done = next;
      rest = after;
      continue;
    }
    if (++links > kMaxLinks) return std::nullopt;
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(here, error).string();
    if (error || target.empty()) return std::nullopt;
    if (target.front() == '/') done.clear();
    rest = target + "/" + after;
  }
}

Result<UniqueFd> Tree::open(std::string_view path) const {
  const std::optional<std::string> real = resolve(path);
  if (!real) return system_error(ENOENT, "cannot read " + label(path));
  const std::filesystem::path file = where_ / *real;
  // Without O_NONBLOCK a pipe in a hostile tree would hold us for ever.
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
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
  return real && ::lstat((where_ / *real).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
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
  std::error_code error;
  std::filesystem::directory_iterator at(where_ / *real, error);
  for (; !error && at != std::filesystem::directory_iterator() && names.size() < limit;
       at.increment(error))
    names.push_back(at->path().filename().string());
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
