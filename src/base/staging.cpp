#include "base/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <system_error>
#include <vector>

#include "base/file.h"

namespace flense {

namespace {

constexpr std::string_view kMark = ".flense-";
constexpr std::size_t kRandom = 6;
/// Between its creation and its lock a staging directory looks stale.
constexpr std::time_t kYoungest = 60;

std::string prefix_of(const std::filesystem::path& output) {
  return "." + output.filename().string() + std::string(kMark);
}

bool is_stale(const std::filesystem::path& path, std::time_t now) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0) return false;
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
  if (now - status.st_ctim.tv_sec < kYoungest) return false;
  return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace

std::filesystem::path parent_of(const std::filesystem::path& path) {
  std::filesystem::path parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

std::string staging_pattern(const std::filesystem::path& output) {
  return (parent_of(output) / (prefix_of(output) + std::string(kRandom, 'X'))).string();
}

std::string output_of_staging(std::string_view name) {
  if (!name.starts_with('.') || name.size() <= 1 + kMark.size() + kRandom) return {};
  const std::string_view front = name.substr(0, name.size() - kRandom);
  if (!front.ends_with(kMark)) return {};
  return std::string(front.substr(1, front.size() - 1 - kMark.size()));
}

void mark_as_written(int fd) {
  static_cast<void>(::flock(fd, LOCK_SH | LOCK_NB));
}

void remove_stale_staging(const std::filesystem::path& output, std::time_t now) {
  const std::string prefix = prefix_of(output);
  std::vector<std::filesystem::path> stale;
  std::error_code error;
  for (std::filesystem::directory_iterator at(parent_of(output), error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(prefix) && name.size() == prefix.size() + kRandom &&
        is_stale(at->path(), now))
      stale.push_back(at->path());
  }
  for (const std::filesystem::path& path : stale) std::filesystem::remove_all(path, error);
}

}  // namespace flense
