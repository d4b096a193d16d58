#include "launch/inject/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "base/in_root.h"
#include "base/stream.h"

namespace flense::launch {
namespace {

std::string label(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return "/" + std::string(path) + " of the image";
}

}  // namespace

Result<UniqueFd> ImageRoot::open(std::string_view path, std::uint64_t flags) const {
  return open_in_root(root_.get(), path, flags);
}

Result<std::string> ImageRoot::read(std::string_view path, std::uint64_t limit) const {
  TRY(const UniqueFd fd, open_file_in_root(root_.get(), path));
  FdSource source(fd.get(), label(path));
  return read_all(source, limit, label(path));
}

Result<MappedFile> ImageRoot::map(std::string_view path) const {
  TRY(const UniqueFd fd, open_file_in_root(root_.get(), path));
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
  const UniqueDirectory dir(::fdopendir(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0)));
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
  const auto place = open(path, O_PATH);
  struct stat status{};
  if (!place || ::fstat(place->get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto real = real_path_in_root(root_.get(), path);
  return real ? "/" + *real : std::string();
}

}  // namespace flense::launch
