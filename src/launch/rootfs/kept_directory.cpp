#include "launch/rootfs/kept_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <system_error>

#include "base/staging.h"
#include "launch/rootfs/mount_users.h"

namespace flense::launch {

namespace {

constexpr std::size_t kKeyDigits = 64;
/// A use is recorded at most once an hour, as in the cache of inventories.
constexpr std::time_t kTouchSeconds = 3600;

bool same_directory(int fd, const std::filesystem::path& path) {
  struct stat open{}, named{};
  return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

void note_use(int directory) {
  struct stat status{};
  if (::fstat(directory, &status) == 0 &&
      std::time(nullptr) - status.st_mtim.tv_sec >= kTouchSeconds)
    static_cast<void>(::futimens(directory, nullptr));
}

}  // namespace

bool is_key(std::string_view text) {
  return text.size() == kKeyDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<UniqueFd> hold_directory(const std::filesystem::path& directory) {
  UniqueFd held(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!held) return std::nullopt;
  // Without locks (a network file system) this cannot be known.
  if (::flock(held.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::nullopt;
  if (!same_directory(held.get(), directory)) return std::nullopt;
  note_use(held.get());
  note_pid_namespace(held.get());
  return held;
}

Result<bool> discard_directory(const std::filesystem::path& directory) {
  const UniqueFd held(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!held) {
    if (errno == ENOENT) return true;
    return system_error(errno, "cannot open " + directory.string());
  }
  if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) return false;
  // Another process was faster, and what has this name now is new.
  if (!same_directory(held.get(), directory)) return true;
  // The lock ends with the first process of a container; others may keep running.
  if (is_used_out_of_sight(held.get()) || is_mounted(directory)) return false;
  // The name first: the lock stays with what is renamed.
  std::string aside = staging_pattern(directory);
  if (::mkdtemp(aside.data()) == nullptr)
    return system_error(errno, "cannot create a directory beside " + directory.string());
  if (::rename(directory.c_str(), aside.c_str()) != 0) {
    const int error = errno;
    ::rmdir(aside.c_str());
    return system_error(error, "cannot rename " + directory.string());
  }
  std::error_code error;
  std::filesystem::remove_all(aside, error);
  if (error) return system_error(error.value(), "cannot remove " + aside);
  return true;
}

std::vector<LeftBehind> left_behind(const std::filesystem::path& place) {
  std::vector<LeftBehind> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(place, error), end; !error && at != end;
       at.increment(error)) {
    std::string key = output_of_staging(at->path().filename().string());
    if (!is_key(key)) continue;
    const UniqueFd fd(::open(at->path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
      continue;
    out.push_back({at->path(), std::move(key), bytes_below(at->path()), status.st_mtim.tv_sec});
  }
  std::sort(out.begin(), out.end(),
            [](const LeftBehind& a, const LeftBehind& b) { return a.path < b.path; });
  return out;
}

std::uint64_t bytes_below(const std::filesystem::path& directory) {
  std::uint64_t out = 0;
  std::error_code error;
  constexpr auto kOptions = std::filesystem::directory_options::skip_permission_denied;
  for (std::filesystem::recursive_directory_iterator at(directory, kOptions, error), end;
       !error && at != end; at.increment(error)) {
    struct stat status{};
    if (::lstat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
      out += static_cast<std::uint64_t>(status.st_size);
  }
  return out;
}

}  // namespace flense::launch
