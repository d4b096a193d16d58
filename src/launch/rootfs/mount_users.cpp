#include "launch/rootfs/mount_users.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "base/ascii.h"
#include "base/file.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kMaxMountinfo = 64u << 20, kMaxBootId = 64;
/// PROC_PID_INIT_INO: from the first PID namespace all others can be seen.
constexpr std::string_view kFirstPidNamespace = "pid:[4026531836]";
constexpr std::string_view kMark = ".used-from-";

std::string link_text(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

/// What mountinfo writes for blanks and backslashes: "\\040".
std::string unescaped(std::string_view text) {
  constexpr std::size_t kLength = 4;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char value = 0;
    const std::string_view digits = text.substr(std::min(i + 1, text.size()), kLength - 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    if (text[i] == '\\' && digits.size() == kLength - 1 && error == std::errc() &&
        end == digits.data() + digits.size()) {
      out += static_cast<char>(value);
      i += kLength - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// proc_pid_mountinfo(5).
struct MountLine {
  std::string root, point, source;
};
MountLine parse_mount_line(std::string_view line) {
  constexpr std::size_t kRoot = 3, kPoint = 4;
  MountLine out;
  std::size_t behind = 0;  // fields after the separator
  bool separated = false;
  for (std::size_t field = 0; !line.empty(); ++field) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    if (field == kRoot) out.root = unescaped(word);
    if (field == kPoint) out.point = unescaped(word);
    if (separated && ++behind == 2) out.source = unescaped(word);
    if (field > kPoint && word == "-") separated = true;
  }
  return out;
}

bool is_same(const std::filesystem::path& a, const std::filesystem::path& b) {
  struct stat first{}, second{};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool is_there(const std::filesystem::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

/// Other caches may hold a directory of the same name.
bool is_of(const std::filesystem::path& directory, const MountLine& line,
           const std::filesystem::path& process) {
  const std::string name = "/" + directory.filename().string();
  if (const std::size_t at = line.source.find(name + "/"); at != std::string::npos) {
    const std::string owner = line.source.substr(0, at + name.size());
    return is_same(owner, directory) || !is_there(owner);
  }
  const std::size_t at = line.root.find(name + "/");
  if (at == std::string::npos || line.root.ends_with("//deleted")) return false;
  const std::filesystem::path seen = process / ("root" + line.point);
  if (!is_there(seen)) return true;
  if (is_same(seen, directory.string() + line.root.substr(at + name.size()))) return true;
  // Something else may be mounted over it.
  return directory.string().ends_with(line.root.substr(0, at + name.size()));
}

bool process_has_mount(const std::filesystem::path& directory, const std::filesystem::path& process,
                       const std::string& own_namespace) {
  const auto text = read_file(process / "mountinfo", kMaxMountinfo);
  // It has ended, or is a kernel thread.
  if (!text || text->empty()) return false;
  const std::string name = directory.filename().string();
  bool root = false;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const bool named = line.find(name) != std::string_view::npos;
    // Most lines are neither, and need no closer look.
    if (!named && (root || line.find(" / ") == std::string_view::npos)) continue;
    const MountLine mount = parse_mount_line(line);
    // Its root is there, unless it changed that to a directory in a mount.
    root = root || mount.point == "/";
    if (named && is_of(directory, mount, process)) return true;
  }
  struct stat status{};
  if (root || ::stat(process.c_str(), &status) != 0 || status.st_uid != ::geteuid()) return false;
  return link_text(process / "ns/mnt") != own_namespace;
}

std::string mark_here() {
  const auto boot = read_file("/proc/sys/kernel/random/boot_id", kMaxBootId);
  return fmt::format("{}{}-", kMark, boot ? boot->substr(0, boot->find('\n')) : "");
}

}  // namespace

bool is_mounted(const std::filesystem::path& directory, const std::filesystem::path& proc) {
  const std::string own = link_text(proc / "self/ns/mnt");
  // Twice: a process that forks and ends while we look may have a child behind us once.
  for (int pass = 0; pass < 2; ++pass) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(proc, error), end; !error && at != end;
         at.increment(error))
      if (all_digits(at->path().filename().string()) &&
          process_has_mount(directory, at->path(), own))
        return true;
    // No process can be seen, so none can be ruled out.
    if (error) return true;
  }
  return false;
}

void note_pid_namespace(int directory) {
  const std::string name = mark_here() + link_text("/proc/self/ns/pid");
  if (::faccessat(directory, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return;
  const UniqueFd made(
      ::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
}

bool is_used_out_of_sight(int directory) {
  const std::string own = link_text("/proc/self/ns/pid");
  if (own == kFirstPidNamespace) return false;
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const UniqueDirectory listing(fd < 0 ? nullptr : ::fdopendir(fd));
  if (!listing) {
    if (fd >= 0) ::close(fd);
    return true;
  }
  const std::string begin = mark_here();
  while (const dirent* item = ::readdir(listing.get())) {
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name.starts_with(begin) && name.substr(begin.size()) != own) return true;
  }
  return false;
}

}  // namespace flense::launch
