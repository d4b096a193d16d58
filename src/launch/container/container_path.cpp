#include "launch/container/container_path.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>

#include "launch/container/mount_plan.h"

namespace flense::launch {

namespace {

using State = ContainerPlace::State;

constexpr int kMostLinks = 40;  // path_resolution(7)
/// crun makes these links in its /dev (OCI runtime specification, "Default devices").
constexpr std::array<std::string_view, 5> kDeviceLinks = {"/dev/fd", "/dev/stdin", "/dev/stdout",
                                                          "/dev/stderr", "/dev/core"};

void push_front(std::deque<std::string>& parts, std::string_view path) {
  std::vector<std::string> words;
  while (!path.empty()) {
    const std::string_view word = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), word.size() + 1));
    if (!word.empty()) words.emplace_back(word);
  }
  parts.insert(parts.begin(), words.begin(), words.end());
}

std::string joined(const std::string& path, const std::deque<std::string>& rest) {
  std::string out = path;
  for (const std::string& part : rest) out += "/" + part;
  return out;
}

/// Its text, where it is a link.
std::string link_text(int fd) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlinkat(fd, "", text.data(), text.size());
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

/// What is there, itself and not what it links to.
ContainerPlace ContainerPaths::opened(UniqueFd fd, int error, const std::string& path) const {
  ContainerPlace out;
  out.path = path;
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    out.state = error == EACCES  ? as_caller_ ? State::kForbidden : State::kUnknown
                : error == ELOOP ? State::kLoop
                                 : State::kMissing;
    return out;
  }
  out.state = State::kFound;
  out.kind = S_ISDIR(status.st_mode)   ? FileKind::kDirectory
             : S_ISREG(status.st_mode) ? FileKind::kFile
                                       : FileKind::kOther;
  out.fd = std::move(fd);
  return out;
}

const ContainerPaths::Mounted* ContainerPaths::covering(std::string_view path) const {
  const Mounted* out = nullptr;
  // A later one lies on top of an earlier one.
  for (const Mounted& mount : mounts_)
    if (is_below(path, mount.target) && (!out || mount.target.size() >= out->target.size()))
      out = &mount;
  return out;
}

bool ContainerPaths::leads_to_mount(std::string_view path) const {
  return std::any_of(mounts_.begin(), mounts_.end(),
                     [&](const Mounted& mount) { return is_below(mount.target, path); });
}

ContainerPlace ContainerPaths::look(const std::string& path) const {
  const Mounted* mount = covering(path);
  if (const auto made = made_.find(path); !mount && made != made_.end()) {
    ContainerPlace out;
    out.path = path;
    out.state = State::kFound;
    out.kind = made->second;
    return out;
  }
  if (!mount) {
    auto fd = open_in_root(root_, std::string_view(path).substr(1), O_PATH | O_NOFOLLOW);
    const int error = errno;
    ContainerPlace out = opened(fd ? std::move(*fd) : UniqueFd(), error, path);
    if (out.state == State::kMissing && leads_to_mount(path)) {
      out.state = State::kFound;
      out.kind = FileKind::kDirectory;
    }
    return out;
  }
  const std::string_view below = std::string_view(path).substr(mount->target.size());
  if (mount->type == "bind") {
    // The kernel follows the source itself.
    const int flags = O_PATH | O_CLOEXEC | (below.empty() ? 0 : O_NOFOLLOW);
    UniqueFd fd(::open((mount->source + std::string(below)).c_str(), flags));
    const int error = errno;
    ContainerPlace out = opened(std::move(fd), error, path);
    // A file written for this launch.
    if (out.state == State::kMissing && below.empty()) {
      out.state = State::kFound;
      out.kind = FileKind::kFile;
    }
    out.mounted = true;
    return out;
  }
  ContainerPlace out;
  out.path = path;
  out.mounted = true;
  out.fresh = mount->type == "tmpfs" && !is_below(path, "/dev");
  if (leads_to_mount(path)) {
    out.state = State::kFound;
    out.kind = FileKind::kDirectory;
  } else if (mount->type != "tmpfs" || is_below(path, "/dev")) {
    out.state = State::kUnknown;
  }
  return out;
}

ContainerPlace ContainerPaths::find(std::string_view path) const {
  std::deque<std::string> rest;
  push_front(rest, path);
  std::string at;
  int links = 0;
  ContainerPlace place;
  place.state = State::kFound;
  place.kind = FileKind::kDirectory;
  while (!rest.empty()) {
    const std::string part = std::move(rest.front());
    rest.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      at.resize(at.empty() ? 0 : at.rfind('/'));
      continue;
    }
    const std::string next = at + "/" + part;
    const bool leads_into_proc =
        std::find(kDeviceLinks.begin(), kDeviceLinks.end(), next) != kDeviceLinks.end();
    place = look(next);
    const std::string link = place.state == State::kFound && place.kind == FileKind::kOther
                                 ? link_text(place.fd.get())
                                 : std::string();
    if (leads_into_proc || (is_below(next, "/proc") && link.empty())) {
      place.state = State::kProc;
      place.path = joined(next, rest);
      return place;
    }
    if (!link.empty()) {
      if (++links > kMostLinks) {
        place.state = State::kLoop;
        place.path = std::string(path);
        return place;
      }
      if (link.front() == '/') at.clear();
      push_front(rest, link);
      continue;
    }
    if (place.state != State::kFound) {
      place.path = joined(next, rest);
      return place;
    }
    if (!rest.empty() && place.kind != FileKind::kDirectory) {
      place.state = State::kBelowFile;
      place.path = joined(next, rest);
      return place;
    }
    at = next;
  }
  if (place.path != at || !place.fd) {
    // It ended with "..", or is the root itself.
    place =
        at.empty() ? opened(UniqueFd(::fcntl(root_, F_DUPFD_CLOEXEC, 0)), errno, "/") : look(at);
  }
  return place;
}

void ContainerPaths::make(std::string_view path, bool directory) {
  // What exists stays; a dangling link is covered, and one into /proc is not hidden.
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const std::string_view part = path.substr(0, end);
    const bool file = end == std::string_view::npos && !directory;
    std::string at = "/" + std::string(part);
    if (find(at).state == State::kMissing)
      made_.emplace(std::move(at), file ? FileKind::kFile : FileKind::kDirectory);
    if (end == std::string_view::npos) return;
  }
}

ContainerPlace ContainerPaths::mount(const OciMount& mount) {
  ContainerPlace place = find(mount.destination);
  mounts_.push_back({place.path, mount.type, mount.source});
  return place;
}

}  // namespace flense::launch
