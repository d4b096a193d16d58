#include "cdi/install/host_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/file.h"
#include "base/path.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

HostFiles::HostFiles(const std::filesystem::path& root) : root_(root), tree_(root, "/") {}

std::filesystem::path HostFiles::place(const std::string& path) const {
  if (const auto whole = tree_.resolve(path)) return root_ / *whole;
  // The longest existing part, and the rest after it. A dangling link is replaced.
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

Result<std::vector<std::string>> HostFiles::make_directories(const std::string& path) const {
  std::vector<std::string> made;
  if (path.empty() || tree_.is_directory(path)) return made;
  TRY(made, make_directories(std::string(parent_path(path))));
  const std::filesystem::path where = place(path);
  if (::mkdir(where.c_str(), 0755) != 0)
    return system_error(errno, "cannot create the directory " + where.string());
  made.push_back(path);
  return made;
}

Result<std::vector<std::string>> HostFiles::write(const std::string& path, std::string_view text,
                                                  unsigned mode) const {
  TRY(const std::optional<std::string> present, read(path));
  if (present == text) return std::vector<std::string>();
  TRY(std::vector<std::string> made, make_directories(std::string(parent_path(path))));
  const std::filesystem::path where = place(path);
  struct stat status{};
  const bool there = ::stat(where.c_str(), &status) == 0;
  TRY(AtomicFile file, AtomicFile::create(where, there ? status.st_mode & 07777U : mode));
  if (there && ::fchown(file.fd(), status.st_uid, status.st_gid) != 0 && errno != EPERM)
    return system_error(errno, "cannot keep the owner of " + where.string());
  TRY_DO(write_fully(file.fd(), as_bytes(text), where.string()));
  TRY_DO(file.commit());
  return made;
}

Result<std::vector<std::string>> HostFiles::link(const std::string& path,
                                                 const std::string& target) const {
  TRY(std::vector<std::string> made, make_directories(std::string(parent_path(path))));
  if (link_text(path) == target) return made;
  const std::filesystem::path where = place(std::string(parent_path(path))) / base_name(path);
  if (::symlink(target.c_str(), where.c_str()) != 0)
    return system_error(errno, "cannot create the link " + where.string());
  return made;
}

std::optional<std::string> HostFiles::link_text(const std::string& path) const {
  std::error_code error;
  const std::filesystem::path where = place(std::string(parent_path(path))) / base_name(path);
  const std::filesystem::path text = std::filesystem::read_symlink(where, error);
  return error ? std::nullopt : std::optional(text.string());
}

Result<void> HostFiles::remove(const std::string& path) const {
  const std::filesystem::path where = place(std::string(parent_path(path))) / base_name(path);
  if (::unlink(where.c_str()) != 0 && errno != ENOENT)
    return system_error(errno, "cannot remove " + where.string());
  return {};
}

bool HostFiles::remove_directory(const std::string& path) const {
  return ::rmdir(place(path).c_str()) == 0 || errno == ENOENT;
}

}  // namespace flense::cdi
