#include "cdi/install/host_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/file.h"
#include "base/path.h"
#include "base/staging.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

namespace {

/// What a write that was killed has left, however young: who writes now holds a lock on its own.
void remove_litter(const std::filesystem::path& path) {
  constexpr std::time_t kHour = 3600;
  remove_stale_staging(path, std::time(nullptr) + kHour);
}

}  // namespace

HostFiles::HostFiles(const std::filesystem::path& root) : root_(root), tree_(root, "/") {}

std::filesystem::path HostFiles::place(const std::string& path) const {
  if (const auto whole = tree_.resolve(path)) return root_ / *whole;
  // The longest existing part, and the rest after it.
  const std::string parent(parent_path(path));
  if (parent.empty()) return root_ / base_name(path);
  return place(parent) / base_name(path);
}

Result<std::optional<std::string>> HostFiles::read(const std::string& path) const {
  if (!tree_.exists(path)) return std::optional<std::string>();
  TRY(std::string text, tree_.read(path, kMostBytes));
  return std::optional(std::move(text));
}

std::vector<std::string> HostFiles::list(const std::string& path) const {
  return tree_.list(path);
}

Result<void> HostFiles::check_place(const std::string& path) const {
  const std::string parent(parent_path(path));
  if (!parent.empty()) TRY_DO(check_place(parent));
  if (const auto target = link_text(path); target && !tree_.exists(path))
    return fail(Code::kEnvironment, "{} is a link to {}, where nothing is", path, *target)
        .hint("make what it leads to, or remove the link");
  if (!parent.empty() && tree_.exists(parent) && !tree_.is_directory(parent))
    return fail(Code::kEnvironment, "{} is no directory, and {} belongs into it", parent,
                base_name(path));
  return {};
}

std::vector<std::string> HostFiles::missing_directories(const std::string& path) const {
  std::vector<std::string> out;
  for (std::string at(parent_path(path)); !at.empty() && !tree_.is_directory(at);
       at = parent_path(at))
    out.insert(out.begin(), at);
  return out;
}

Result<void> HostFiles::make_directories(const std::string& path) const {
  for (const std::string& directory : missing_directories(path)) {
    const std::filesystem::path where = place(directory);
    if (::mkdir(where.c_str(), 0755) != 0 && errno != EEXIST)
      return system_error(errno, "cannot create the directory " + where.string());
  }
  return {};
}

Result<void> HostFiles::write(const std::string& path, std::string_view text, unsigned mode) const {
  remove_litter(place(path));
  TRY(const std::optional<std::string> present, read(path));
  if (present == text) return {};
  TRY_DO(check_place(path));
  TRY_DO(make_directories(path));
  const std::filesystem::path where = place(path);
  struct stat status{};
  const bool there = ::stat(where.c_str(), &status) == 0;
  TRY(AtomicFile file, AtomicFile::create(where, there ? status.st_mode & 07777U : mode));
  if (there && ::fchown(file.fd(), status.st_uid, status.st_gid) != 0 && errno != EPERM)
    return system_error(errno, "cannot keep the owner of " + where.string());
  TRY_DO(write_fully(file.fd(), as_bytes(text), where.string()));
  return file.commit();
}

Result<void> HostFiles::link(const std::string& path, const std::string& target) const {
  TRY_DO(make_directories(path));
  if (link_text(path) == target) return {};
  const std::filesystem::path where = place(std::string(parent_path(path))) / base_name(path);
  if (::symlink(target.c_str(), where.c_str()) != 0)
    return system_error(errno, "cannot create the link " + where.string());
  return {};
}

Result<UniqueFd> HostFiles::lock(const std::string& path) const {
  TRY_DO(check_place(path));
  while (true) {
    TRY_DO(make_directories(path));
    const std::filesystem::path where = place(path);
    UniqueFd out(::open(where.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    // Who had it before may have taken the directory away meanwhile.
    if (!out && errno == ENOENT) continue;
    if (!out) return system_error(errno, "cannot create " + where.string());
    while (::flock(out.get(), LOCK_EX) != 0)
      if (errno != EINTR) return system_error(errno, "cannot lock " + where.string());
    struct stat status{};
    if (::fstat(out.get(), &status) == 0 && status.st_nlink > 0) return out;
  }
}

void HostFiles::unlock(const std::string& path, UniqueFd lock) const {
  // While it is still locked: who waits for it then makes a new one.
  if (lock) ::unlink(place(path).c_str());
}

std::optional<std::string> HostFiles::link_text(const std::string& path) const {
  std::error_code error;
  const std::filesystem::path where = place(std::string(parent_path(path))) / base_name(path);
  const std::filesystem::path text = std::filesystem::read_symlink(where, error);
  return error ? std::nullopt : std::optional(text.string());
}

Result<void> HostFiles::remove(const std::string& path) const {
  const std::filesystem::path where = place(std::string(parent_path(path))) / base_name(path);
  remove_litter(where);
  if (::unlink(where.c_str()) != 0 && errno != ENOENT)
    return system_error(errno, "cannot remove " + where.string());
  return {};
}

bool HostFiles::remove_directory(const std::string& path) const {
  return ::rmdir(place(path).c_str()) == 0 || errno == ENOENT;
}

}  // namespace flense::cdi
