#include "cli/shared/path_hint.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "base/accounts.h"
#include "base/file.h"
#include "base/staging.h"
#include "cli/shared/suggest.h"

namespace flense::cli {

namespace {

namespace fs = std::filesystem;

/// Names of a directory; a long one is not looked through.
std::vector<std::string> names_in(const fs::path& directory) {
  constexpr std::size_t kMost = 10'000;
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end && out.size() < kMost;
       at.increment(error))
    out.push_back(at->path().filename().string());
  return out;
}

std::string missing_hint(const fs::path& path) {
  const fs::path parent = parent_of(path);
  struct stat status{};
  if (::stat(parent.c_str(), &status) != 0) {
    return errno == EACCES ? path_hint(parent)
                           : fmt::format("there is no directory {}", parent.string());
  }
  if (!S_ISDIR(status.st_mode)) return fmt::format("{} is no directory", parent.string());
  const std::vector<std::string> names = names_in(parent);
  const std::string near =
      nearest(path.filename().string(), std::vector<std::string_view>(names.begin(), names.end()));
  if (!near.empty()) return fmt::format("did you mean {}?", (path.parent_path() / near).string());
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (path.is_relative() && !error)
    return fmt::format("it was looked for in {}",
                       (here / path).lexically_normal().parent_path().string());
  return fmt::format("ls {} shows what is there", parent.string());
}

std::string closed_hint(const fs::path& path, const struct stat& status) {
  // A confined process does not reach the list of accounts.
  const auto passwd = read_file("/etc/passwd", kMaxAccounts);
  const auto owner = passwd ? find_account(*passwd, status.st_uid) : std::nullopt;
  const std::string nameless = status.st_uid == 0 ? "root" : fmt::format("user {}", status.st_uid);
  return fmt::format(
      "{} belongs to {} and has mode {:04o}: run flense as its owner, or have it opened",
      path.string(), owner ? owner->name : nameless, status.st_mode & 07777U);
}

}  // namespace

std::string path_hint(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    const int wanted = S_ISDIR(status.st_mode) ? W_OK : R_OK;
    return ::access(path.c_str(), wanted) == 0 ? std::string() : closed_hint(path, status);
  }
  if (errno == ENOENT || errno == ENOTDIR) return missing_hint(path);
  // Some directory on the way is closed: the first whose own parent is open.
  fs::path parent = parent_of(path);
  while (::stat(parent.c_str(), &status) != 0 && parent.has_relative_path())
    parent = parent_of(parent);
  return closed_hint(parent, status);
}

}  // namespace flense::cli
