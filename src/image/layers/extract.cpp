#include "image/layers/extract.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include "base/file.h"
#include "base/hole_sink.h"
#include "base/in_root.h"
#include "base/path.h"
#include "codec/sha256.h"

namespace flense::image {

namespace {

constexpr int kMaxNesting = 1024;
constexpr std::uint32_t kPrivilegeBits = S_ISUID | S_ISGID;

/// Attributes that mean nothing to the kernel. What overlayfs reads is none of them: an image could
/// lead its mounts elsewhere.
bool is_plain_attribute(std::string_view name) {
  return name.starts_with("user.") && !name.starts_with("user.overlay.");
}

Result<std::vector<std::string>> list_names(int dir) {
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const UniqueDirectory stream(copy < 0 ? nullptr : ::fdopendir(copy));
  if (!stream) {
    const int error = errno;
    if (copy >= 0) ::close(copy);
    return system_error(error, "cannot read a directory of the output");
  }
  std::vector<std::string> names;
  while (const dirent* item = ::readdir(stream.get())) {
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

Result<std::uint64_t> inode_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_error(errno, "cannot stat a directory");
  return std::uint64_t{status.st_ino};
}

std::array<struct timespec, 2> times_of(const codec::TarMember& member) {
  struct timespec at{};
  at.tv_sec = member.mtime;
  at.tv_nsec = member.mtime_nanos < 1'000'000'000 ? static_cast<long>(member.mtime_nanos) : 0;
  return {at, at};
}

/// Removes `name` with everything below it, without following links; `removed` is told of each file
/// and directory, as it was.
Result<void> remove_tree(int dir, const std::string& name, int depth,
                         const std::function<void(const struct stat&)>& removed) {
  struct stat status{};
  if (::fstatat(dir, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? Result<void>() : system_error(errno, "cannot remove " + name);
  if (!S_ISDIR(status.st_mode)) {
    if (::unlinkat(dir, name.c_str(), 0) != 0) return system_error(errno, "cannot remove " + name);
    removed(status);
    return {};
  }
  if (depth > kMaxNesting)
    return bad_input("directories are nested more than {} deep", kMaxNesting);
  const UniqueFd child(
      ::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!child) return system_error(errno, "cannot open " + name);
  TRY(const auto names, list_names(child.get()));
  for (const std::string& below : names)
    TRY_DO(remove_tree(child.get(), below, depth + 1, removed));
  if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0) {
    return system_error(errno, "cannot remove " + name);
  }
  removed(status);
  return {};
}

}  // namespace

Result<Extractor> Extractor::create(const std::filesystem::path& root, Ownership ownership,
                                    const UnpackLimit& limit) {
  Extractor out;
  out.limit_ = limit;
  out.as_caller_ = ownership == Ownership::kCaller;
  out.root_ = UniqueFd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out.root_) return system_error(errno, "cannot open " + root.string());
  out.privileged_ = !out.as_caller_ && ::geteuid() == 0;
  return out;
}

Result<void> Extractor::begin_layer() {
  placed_.clear();
  return remove_aufs_links();
}

/// They serve the hard links of one layer.
Result<void> Extractor::remove_aufs_links() {
  if (!std::exchange(aufs_links_, false)) return {};
  cache_valid_ = false;
  return remove(root_.get(), std::string(kAufsLinks));
}

Result<void> Extractor::remove(int dir, const std::string& name) {
  return remove_tree(dir, name, 0, [this](const struct stat& gone) { forget(gone); });
}

/// The next file that is created may get its inode, also one that no layer has.
void Extractor::forget(const struct stat& gone) {
  if (!S_ISDIR(gone.st_mode) && gone.st_nlink > 1) return;
  directories_.erase(std::uint64_t{gone.st_ino});
  written_.erase(std::uint64_t{gone.st_ino});
}

std::string Extractor::key(std::uint64_t dir_inode, std::string_view name) {
  return fmt::format("{}/{}", dir_inode, name);
}

Result<UniqueFd> Extractor::open_in_root(const std::string& path, std::uint64_t flags) const {
  return flense::open_in_root(root_.get(), path, flags);
}

Result<UniqueFd> Extractor::make_directories(const std::string& path) {
  std::string prefix;
  TRY(UniqueFd at, open_in_root("", O_PATH | O_DIRECTORY));
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    prefix += (prefix.empty() ? "" : "/") + name;
    auto next = open_in_root(prefix, O_PATH | O_DIRECTORY);
    if (!next) {
      // Missing, or a file or dangling link in the way of a directory: it gives way.
      struct stat status{};
      const bool there = ::fstatat(at.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
      if (::unlinkat(at.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
        return system_error(errno, "cannot replace " + prefix);
      }
      if (there) forget(status);
      if (::mkdirat(at.get(), name.c_str(), 0755) != 0) {
        return system_error(errno, "cannot create directory " + prefix);
      }
      next = open_in_root(prefix, O_PATH | O_DIRECTORY);
      if (!next) return next;
    }
    at = std::move(*next);
  }
  return at;
}

Result<Extractor::Parent> Extractor::parent_of(const std::string& path, bool create) {
  std::string dir(parent_path(path));
  if (!cache_valid_ || dir != cached_path_) {
    auto fd = open_in_root(dir, O_PATH | O_DIRECTORY);
    if (!fd && create) fd = make_directories(dir);
    if (!fd) return std::unexpected(std::move(fd).error());
    cached_ = std::move(*fd);
    TRY(cached_inode_, inode_of(cached_.get()));
    cached_path_ = std::move(dir);
    cache_valid_ = true;
  }
  return Parent{cached_.get(), cached_inode_};
}

Result<void> Extractor::clear_place(const Parent& parent, const std::string& name,
                                    bool keep_directory, bool& kept) {
  kept = false;
  struct stat status{};
  if (::fstatat(parent.fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<void>() : system_error(errno, "cannot stat " + name);
  }
  if (!S_ISDIR(status.st_mode)) {
    // The cached parent may have been reached through this link.
    if (S_ISLNK(status.st_mode)) cache_valid_ = false;
    if (::unlinkat(parent.fd, name.c_str(), 0) != 0) {
      return system_error(errno, "cannot replace " + name);
    }
    forget(status);
    return {};
  }
  if (keep_directory) {
    kept = true;
    return {};
  }
  // `parent` is the cached descriptor itself and not below what goes, so it stays open and valid;
  // only its path may now lead elsewhere for later members.
  cache_valid_ = false;
  return remove(parent.fd, name);
}

std::uint32_t Extractor::mode_for(std::uint64_t inode, const codec::TarMember& member) {
  const std::uint32_t mode = member.mode & 07777U;
  if (!as_caller_) return mode;
  WrittenFile& written = written_[inode];
  written.mode = mode;
  written.uid = member.uid;
  written.gid = member.gid;
  const bool directory = member.type == codec::MemberType::kDirectory;
  if (!directory && (mode & kPrivilegeBits) != 0) ++dropped_bits_;
  return (mode & ~kPrivilegeBits) | (directory ? 0700U : 0400U);
}

Result<void> Extractor::set_metadata(int fd, const codec::TarMember& member,
                                     const std::string& path) {
  if (privileged_ &&
      ::fchown(fd, static_cast<uid_t>(member.uid), static_cast<gid_t>(member.gid)) != 0) {
    return system_error(errno, "cannot set the owner of " + path);
  }
  TRY(const std::uint64_t inode, inode_of(fd));
  if (::fchmod(fd, mode_for(inode, member)) != 0) {
    return system_error(errno, "cannot set the mode of " + path);
  }
  for (const auto& [name, value] : member.xattrs) {
    if (as_caller_ && !is_plain_attribute(name)) continue;
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) ++skipped_xattrs_;
  }
  const auto times = times_of(member);
  if (::futimens(fd, times.data()) != 0) {
    return system_error(errno, "cannot set the times of " + path);
  }
  return {};
}

Result<void> Extractor::write_file(const Parent& parent, const std::string& name,
                                   const LayerEntry& entry, EntryContent* content) {
  const UniqueFd fd(::openat(parent.fd, name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return system_error(errno, "cannot create " + entry.path);
  if (content != nullptr) {
    HoleSink file(fd.get(), entry.path);
    codec::HashingSink hashing(file);
    Sink& sink = as_caller_ ? static_cast<Sink&>(hashing) : file;
    TRY(const std::uint64_t written, copy_all(content->stream(), sink));
    TRY_DO(sink.finish());
    if (written != content->size()) {
      return bad_input("{} has {} bytes, its header says {}", entry.path, written, content->size());
    }
    if (as_caller_) {
      TRY(const std::uint64_t inode, inode_of(fd.get()));
      written_[inode].sha256 = hashing.digest().substr(std::string_view("sha256:").size());
    }
  }
  return set_metadata(fd.get(), entry.member, entry.path);
}

Result<void> Extractor::write_link(const Parent& parent, const std::string& name,
                                   const LayerEntry& entry) {
  auto dir = open_in_root(std::string(parent_path(entry.link)), O_PATH | O_DIRECTORY);
  const std::string target(base_name(entry.link));
  struct stat status{};
  if (!dir || target.empty() ||
      ::fstatat(dir->get(), target.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      S_ISDIR(status.st_mode)) {
    return bad_input("{} is a hard link to {}, which is missing or a directory", entry.path,
                     entry.link);
  }
  struct stat existing{};
  if (::fstatat(parent.fd, name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0 &&
      existing.st_dev == status.st_dev && existing.st_ino == status.st_ino) {
    return {};
  }
  bool kept = false;
  TRY_DO(clear_place(parent, name, false, kept));
  if (::linkat(dir->get(), target.c_str(), parent.fd, name.c_str(), 0) != 0) {
    return system_error(errno, fmt::format("cannot link {} to {}", entry.path, entry.link));
  }
  return {};
}

Result<void> Extractor::write_special(const Parent& parent, const std::string& name,
                                      const LayerEntry& entry) {
  const codec::TarMember& member = entry.member;
  int status = 0;
  if (member.type == codec::MemberType::kSymlink) {
    status = ::symlinkat(entry.link.c_str(), parent.fd, name.c_str());
  } else if (member.type == codec::MemberType::kFifo) {
    status = ::mkfifoat(parent.fd, name.c_str(), 0600);
  } else if (as_caller_) {
    ++skipped_devices_;
    return {};
  } else {
    const mode_t kind = member.type == codec::MemberType::kCharDevice ? S_IFCHR : S_IFBLK;
    if (::mknodat(parent.fd, name.c_str(), kind | 0600U,
                  gnu_dev_makedev(member.device_major, member.device_minor)) != 0) {
      if (errno != EPERM && errno != EINVAL) {
        return system_error(errno, "cannot create the device " + entry.path);
      }
      ++skipped_devices_;
      return {};
    }
  }
  if (status != 0) return system_error(errno, "cannot create " + entry.path);
  if (privileged_ && ::fchownat(parent.fd, name.c_str(), static_cast<uid_t>(member.uid),
                                static_cast<gid_t>(member.gid), AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error(errno, "cannot set the owner of " + entry.path);
  }
  // We have just created it and it is no link, so following is safe.
  struct stat made{};
  if (member.type != codec::MemberType::kSymlink &&
      (::fstatat(parent.fd, name.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0 ||
       ::fchmodat(parent.fd, name.c_str(), mode_for(std::uint64_t{made.st_ino}, member), 0) != 0)) {
    return system_error(errno, "cannot set the mode of " + entry.path);
  }
  const auto times = times_of(member);
  if (::utimensat(parent.fd, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error(errno, "cannot set the times of " + entry.path);
  }
  return {};
}

Result<bool> Extractor::empty_lower(int dir, int depth) {
  if (depth > kMaxNesting)
    return bad_input("directories are nested more than {} deep", kMaxNesting);
  TRY(const std::uint64_t inode, inode_of(dir));
  TRY(const auto names, list_names(dir));
  bool empty = true;
  for (const std::string& name : names) {
    TRY(const bool gone, remove_lower(dir, inode, name, depth));
    empty = empty && gone;
  }
  return empty;
}

/// Removes what lower layers left under `name`; false when something of this layer keeps it.
Result<bool> Extractor::remove_lower(int dir, std::uint64_t dir_inode, const std::string& name,
                                     int depth) {
  struct stat status{};
  if (::fstatat(dir, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return true;
    return system_error(errno, "cannot stat " + name);
  }
  const bool ours = placed_.contains(key(dir_inode, name));
  if (S_ISDIR(status.st_mode)) {
    const UniqueFd child(
        ::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) return system_error(errno, "cannot open " + name);
    TRY(const bool empty, empty_lower(child.get(), depth + 1));
    if (ours || !empty) return false;
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0) {
      return system_error(errno, "cannot remove " + name);
    }
    forget(status);
    return true;
  }
  if (ours) return false;
  if (::unlinkat(dir, name.c_str(), 0) != 0) return system_error(errno, "cannot remove " + name);
  forget(status);
  return true;
}

Result<void> Extractor::apply_whiteout(const LayerEntry& entry) {
  const std::string target = whiteout_target(entry.path);
  if (whiteout_kind(entry.path) == Whiteout::kOpaque) {
    // Opened for reading, last component not followed: a link there hides nothing.
    const auto dir = open_in_root(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) return {};
    cache_valid_ = false;
    TRY_DO(empty_lower(dir->get(), 0));
    return {};
  }
  const auto parent = parent_of(target, false);
  if (!parent) return {};
  TRY_DO(remove_lower(parent->fd, parent->inode, std::string(base_name(target)), 0));
  cache_valid_ = false;
  return {};
}

Result<void> Extractor::add(const LayerEntry& entry, EntryContent* content) {
  if (whiteout_kind(entry.path) != Whiteout::kNone) return apply_whiteout(entry);
  const codec::MemberType type = entry.member.type;
  if (is_aufs_metadata(entry.path)) {
    if (!is_aufs_link_content(entry.path, type)) return {};
    aufs_links_ = true;
  }
  TRY_DO(limit_.add(entry));
  if (type == codec::MemberType::kOther) {
    ++skipped_others_;
    return {};
  }
  if (entry.path.empty()) {
    if (type != codec::MemberType::kDirectory) {
      return bad_input("a member replaces the root directory by something else");
    }
    return remember_directory(root_.get(), entry);
  }
  TRY(const Parent parent, parent_of(entry.path, true));
  const std::string name(base_name(entry.path));
  placed_.insert(key(parent.inode, name));
  if (type == codec::MemberType::kHardLink) return write_link(parent, name, entry);
  bool kept = false;
  TRY_DO(clear_place(parent, name, type == codec::MemberType::kDirectory, kept));
  if (type == codec::MemberType::kFile) return write_file(parent, name, entry, content);
  if (type != codec::MemberType::kDirectory) return write_special(parent, name, entry);
  if (!kept && ::mkdirat(parent.fd, name.c_str(), 0700) != 0) {
    return system_error(errno, "cannot create directory " + entry.path);
  }
  const UniqueFd fd(
      ::openat(parent.fd, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return system_error(errno, "cannot open " + entry.path);
  return remember_directory(fd.get(), entry);
}

Result<void> Extractor::remember_directory(int fd, const LayerEntry& entry) {
  TRY(const std::uint64_t inode, inode_of(fd));
  directories_.insert_or_assign(inode, Directory{entry.path, entry.member});
  return {};
}

Result<void> Extractor::finish() {
  TRY_DO(remove_aufs_links());
  std::vector<std::pair<std::uint64_t, const Directory*>> order;
  order.reserve(directories_.size());
  for (const auto& [inode, directory] : directories_) order.emplace_back(inode, &directory);
  // Children before parents: a parent's mode may bar the way to its children.
  std::ranges::sort(order, std::ranges::greater(),
                    [](const auto& item) { return std::string_view(item.second->path); });
  for (const auto& [inode, directory] : order) {
    const auto fd = open_in_root(directory->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) continue;  // replaced by a later layer
    TRY(const std::uint64_t there, inode_of(fd->get()));
    // A link on the way may lead to another directory by now.
    if (there == inode) TRY_DO(set_metadata(fd->get(), directory->member, directory->path));
  }
  return {};
}

std::vector<std::string> Extractor::notices() const {
  std::vector<std::string> out;
  if (!privileged_ && !as_caller_) out.emplace_back("owners were not set: that needs root");
  if (skipped_devices_ > 0) {
    out.push_back(fmt::format("{} device nodes were not created{}", skipped_devices_,
                              as_caller_ ? "" : ": that needs privilege"));
  }
  if (dropped_bits_ > 0) {
    out.push_back(fmt::format("{} files are not setuid or setgid here", dropped_bits_));
  }
  if (skipped_others_ > 0) {
    out.push_back(fmt::format("{} members of unknown type were left out", skipped_others_));
  }
  if (skipped_xattrs_ > 0) {
    out.push_back(fmt::format("{} extended attributes could not be set", skipped_xattrs_));
  }
  return out;
}

}  // namespace flense::image
