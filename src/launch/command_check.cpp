#include "launch/command_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "launch/mount_plan.h"
#include "launch/process_plan.h"

namespace flense::launch {

namespace {

/// ELF, or "#!"; what cannot be read is not judged.
bool has_program_magic(int root, const std::string& path) {
  const auto fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  std::array<char, 4> head{};
  if (!fd || ::pread(fd->get(), head.data(), head.size(), 0) < 2) return !fd;
  const std::string_view text(head.data(), head.size());
  return text ==
             "\x7f"
             "ELF" ||
         text.starts_with("#!");
}

CommandState look_at(int root, const std::string& path, const std::vector<OciMount>& mounts) {
  const bool mounted = std::any_of(mounts.begin(), mounts.end(), [&](const OciMount& mount) {
    return is_below(path, mount.destination);
  });
  if (mounted) return CommandState::kUnknown;
  const auto fd = open_in_root(root, path, O_PATH);
  struct stat status{};
  // A link may lead into what is mounted later.
  if (!fd) {
    const auto link = open_in_root(root, path, O_PATH | O_NOFOLLOW);
    return link ? CommandState::kUnknown : CommandState::kMissing;
  }
  if (::fstat(fd->get(), &status) != 0) return CommandState::kUnknown;
  const bool executable = S_ISREG(status.st_mode) && (status.st_mode & 0111U) != 0;
  return executable && has_program_magic(root, path) ? CommandState::kFound
                                                     : CommandState::kNotExecutable;
}

}  // namespace

CommandState check_command(int root, const std::vector<std::string>& args,
                           const std::vector<std::string>& env, const std::string& cwd,
                           const std::vector<OciMount>& mounts) {
  const std::string& program = args.front();
  if (program.empty()) return CommandState::kMissing;
  if (program.find('/') != std::string::npos)
    return look_at(root, program.front() == '/' ? program : cwd + "/" + program, mounts);
  const std::string path = variable_in(env, "PATH").value_or("");
  CommandState out = CommandState::kMissing;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string directory = path.substr(begin, end - begin);
    begin = end + 1;
    const CommandState here =
        look_at(root, (directory.empty() ? cwd : directory) + "/" + program, mounts);
    if (here == CommandState::kFound || here == CommandState::kUnknown) return here;
    if (here == CommandState::kNotExecutable) out = here;
  }
  return out;
}

}  // namespace flense::launch
