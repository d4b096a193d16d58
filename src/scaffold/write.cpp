#include "scaffold/write.h"

#include <system_error>

#include "base/file.h"
#include "base/format.h"

namespace flense::scaffold {

namespace fs = std::filesystem;

namespace {

/// What would make a write fail half-way: a folder where a file belongs, a file where a folder
/// does.
Result<void> check_place(const fs::path& directory, const std::string& path) {
  std::error_code ignored;
  const fs::path target = directory / path;
  const fs::file_status status = fs::symlink_status(target, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status))
    return fail(Code::kEnvironment, "{} exists and is not a regular file", target.string());
  for (fs::path folder = target.parent_path(); !folder.empty(); folder = folder.parent_path()) {
    const fs::file_status above = fs::status(folder, ignored);
    if (fs::exists(above)) {
      if (!fs::is_directory(above))
        return fail(Code::kEnvironment, "{} exists and is not a directory", folder.string());
      break;
    }
    if (folder == folder.parent_path()) break;
  }
  return {};
}

}  // namespace

std::vector<std::string> files_in_the_way(const std::vector<ProjectFile>& files,
                                          const fs::path& directory) {
  std::vector<std::string> out;
  for (const ProjectFile& file : files) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(directory / file.path, ignored))) out.push_back(file.path);
  }
  return out;
}

Result<void> write_project(const std::vector<ProjectFile>& files, const fs::path& directory,
                           bool replace) {
  const std::vector<std::string> there = files_in_the_way(files, directory);
  if (!there.empty() && !replace)
    return fail(Code::kEnvironment, "{} of the {} files {} there already: {}", there.size(),
                files.size(), there.size() == 1 ? "is" : "are", fmt::join(there, ", "))
        .hint("--force replaces them, -o DIR writes elsewhere; nothing was written");
  for (const ProjectFile& file : files) TRY_DO(check_place(directory, file.path));
  for (const ProjectFile& file : files) {
    const fs::path target = directory / file.path;
    std::error_code error;
    fs::create_directories(target.has_parent_path() ? target.parent_path() : fs::path("."), error);
    if (error)
      return system_error(error.value(), "making " + target.parent_path().string())
          .at(target.parent_path().string());
    TRY(AtomicFile out, AtomicFile::create(target));
    TRY_DO(write_fully(out.fd(), as_bytes(file.text), target.string()));
    TRY_DO(out.commit());
  }
  return {};
}

}  // namespace flense::scaffold
