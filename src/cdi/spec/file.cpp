// The file of a specification, and who else may write it: engines that run as root obey it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

std::string distrust(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return fmt::format("belongs to user {}, who is neither root nor the caller", status.st_uid);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("has mode {:04o}: others may write it", status.st_mode & 07777U);
  return {};
}

Result<SpecText> read_spec_text(const std::filesystem::path& path, int directory) {
  const std::filesystem::path name = directory == AT_FDCWD ? path : path.filename();
  const UniqueFd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status{};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0)
    return system_error(errno, "cannot read " + path.string());
  if (!S_ISREG(status.st_mode)) return bad_input("{} is not a regular file", path.string());
  FdSource source(fd.get(), path.string());
  TRY(std::string text, read_all(source, kMaxSpecBytes, path.string()));
  return SpecText{std::move(text), distrust(status)};
}

}  // namespace flense::cdi
