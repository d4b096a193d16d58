#include "slim/sandbox/trace_paths.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/path.h"
#include "elf/file.h"
#include "inventory/describe/links.h"

namespace flense::slim {

namespace {

constexpr unsigned kMostLinks = 40;        // as the kernel: MAXSYMLINKS
constexpr unsigned kMostInterpreters = 5;  // as the kernel: scripts of scripts
constexpr std::size_t kFirstLine = 256;    // as the kernel: BINPRM_BUF_SIZE
constexpr std::size_t kMostQuestions = 500'000;

std::optional<std::string> link_text(int root, const std::string& path) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlinkat(root, path.c_str(), text.data(), text.size());
  if (size <= 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::string below(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

/// Takes the first component off `rest`, with the slashes around it.
std::string next_component(std::string& rest) {
  const std::size_t begin = std::min(rest.find_first_not_of('/'), rest.size());
  const std::size_t end = std::min(rest.find('/', begin), rest.size());
  std::string out = rest.substr(begin, end - begin);
  rest.erase(0, end);
  return out;
}

}  // namespace

PathRecorder::PathRecorder(int root, const std::vector<std::string>& covered)
    : PathRecorder(root, covered, Limits{}) {}

PathRecorder::PathRecorder(int root, const std::vector<std::string>& covered, Limits limits)
    : root_(root), limits_(limits), covered_(covered) {}

bool PathRecorder::is_covered(std::string_view path) const {
  return std::ranges::any_of(covered_, [&](const std::string& place) {
    return path.starts_with(place) && (path.size() == place.size() || path[place.size()] == '/');
  });
}

void PathRecorder::note(std::string path, bool use) {
  // The root itself is no member of an image.
  if (path.empty()) return;
  if (met_.size() >= limits_.paths && !met_.contains(path)) {
    full_ = true;
    return;
  }
  met_[std::move(path)] |= use;
}

std::optional<PathRecorder::Found> PathRecorder::look_up(std::string_view directory,
                                                         std::string_view path, bool follow,
                                                         bool use) {
  std::string at(path.starts_with('/') ? std::string_view() : directory);
  std::string rest(path);
  // What lies before a link is free of links, so the kernel never follows one for us.
  std::vector<std::string> links;
  const auto keep_links = [&] {
    for (std::string& link : links) note(std::move(link), use);
  };
  while (rest.find_first_not_of('/') != std::string::npos) {
    const std::string name = next_component(rest);
    if (name == ".") continue;
    if (name == "..") {
      at = std::string(parent_path(at));
      continue;
    }
    const std::string candidate = below(at, name);
    if (is_covered(candidate)) {
      keep_links();
      return std::nullopt;
    }
    if (directories_.contains(candidate)) {
      at = candidate;
      continue;
    }
    struct stat status{};
    if (candidate.size() >= PATH_MAX ||
        ::fstatat(root_, candidate.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return std::nullopt;
    if (S_ISDIR(status.st_mode)) {
      if (directories_.size() < limits_.paths) directories_.insert(candidate);
      at = candidate;
      continue;
    }
    if (!S_ISLNK(status.st_mode)) {
      // A slash behind a file asks for a directory.
      if (!rest.empty()) return std::nullopt;
      keep_links();
      note(candidate, use);
      return Found{candidate, S_ISREG(status.st_mode)};
    }
    links.push_back(candidate);
    if (rest.empty() && !follow) {
      keep_links();
      return Found{candidate, false};
    }
    const auto target = link_text(root_, candidate);
    if (!target || links.size() > kMostLinks) return std::nullopt;
    if (target->starts_with('/')) at.clear();
    rest.insert(0, *target);
    if (rest.size() > 2 * std::size_t{PATH_MAX}) return std::nullopt;
  }
  if (is_covered(at)) return std::nullopt;
  keep_links();
  note(at, use);
  return Found{at, false};
}

bool PathRecorder::seen_before(char kind, std::string_view directory, std::string_view path,
                               bool follow) {
  std::string key;
  key.reserve(directory.size() + path.size() + 3);
  key += kind;
  key += follow ? 'f' : '-';
  if (!path.starts_with('/')) key += directory;
  key += '\0';
  key += path;
  if (asked_.contains(key)) return true;
  if (asked_.size() < kMostQuestions) asked_.insert(std::move(key));
  return false;
}

void PathRecorder::used(std::string_view directory, std::string_view path, bool follow) {
  if (!seen_before('u', directory, path, follow)) look_up(directory, path, follow, true);
}

void PathRecorder::looked_at(std::string_view directory, std::string_view path, bool follow) {
  if (!seen_before('l', directory, path, follow)) look_up(directory, path, follow, false);
}

void PathRecorder::executed(std::string_view directory, std::string_view path, bool follow) {
  if (seen_before('x', directory, path, follow)) return;
  const auto found = look_up(directory, path, follow, true);
  if (found && found->regular) follow_interpreter(found->path, 0);
}

void PathRecorder::follow_interpreter(const std::string& program, unsigned depth) {
  if (depth >= kMostInterpreters) return;
  const UniqueFd fd(::openat(root_, program.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::array<char, kFirstLine> head{};
  const ssize_t got = fd ? ::pread(fd.get(), head.data(), head.size(), 0) : -1;
  if (got <= 0) return;
  const std::string_view text(head.data(), static_cast<std::size_t>(got));
  std::string interpreter;
  if (text.starts_with("#!")) {
    interpreter = inventory::parse_interpreter(text.substr(2, text.find('\n') - 2)).path;
  } else if (elf::looks_like_elf(as_bytes(text))) {
    const auto mapped = MappedFile::map(fd.get(), program);
    if (!mapped) return;
    const auto file = elf::File::parse(mapped->bytes(), program);
    if (file) interpreter = file->interpreter();
  }
  if (interpreter.empty()) return;
  const auto found = look_up("", interpreter, true, true);
  if (found && found->regular) follow_interpreter(found->path, depth + 1);
}

MetPaths PathRecorder::take() {
  MetPaths out;
  for (auto& [path, use] : met_) (use ? out.used : out.looked).push_back(path);
  met_.clear();
  std::ranges::sort(out.used);
  std::ranges::sort(out.looked);
  return out;
}

}  // namespace flense::slim
