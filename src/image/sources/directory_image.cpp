#include "image/sources/directory_image.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/path.h"
#include "image/layers/tree_image.h"

namespace flense::image {

namespace {

/// Deeper trees are refused: one descriptor stays open per level.
constexpr std::size_t kMaxDepth = 512;

/// File systems that show the kernel, not the image.
bool is_kernel_file_system(int fd) {
  struct statfs status{};
  if (::fstatfs(fd, &status) != 0) return false;
  constexpr auto kKinds = std::to_array<unsigned long>(
      {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC,
       DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC, PSTOREFS_MAGIC, EFIVARFS_MAGIC,
       0x19800202UL /* mqueue */, 0x62656570UL /* configfs */});
  return std::ranges::find(kKinds, static_cast<unsigned long>(status.f_type)) != kKinds.end();
}

/// A regular file opened and mapped only when somebody looks at it.
class LazyFile final : public Source {
 public:
  LazyFile(int dir, const std::string& name, const std::string& shown, std::uint64_t size)
      : dir_(dir), name_(name), shown_(shown), size_(size) {}

  Result<Bytes> next(std::size_t max) override {
    TRY_DO(prepare());
    const Bytes out = rest_.first(std::min(max, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  Bytes direct() const override { return prepare() ? rest_ : Bytes(); }

 private:
  Result<void> prepare() const {
    if (mapped_ || size_ == 0) return {};
    const UniqueFd fd(
        ::openat(dir_, name_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return system_error(errno, "cannot open " + shown_);
    TRY(mapped_, MappedFile::map(fd.get(), shown_));
    if (mapped_->bytes().size() < size_) {
      mapped_.reset();
      return bad_input("{} shrank while it was read", shown_);
    }
    rest_ = mapped_->bytes().first(static_cast<std::size_t>(size_));
    return {};
  }

  int dir_;
  const std::string& name_;
  const std::string& shown_;
  std::uint64_t size_;
  mutable std::optional<MappedFile> mapped_;
  mutable Bytes rest_;
};

codec::MemberType member_type(mode_t mode) {
  if (S_ISREG(mode)) return codec::MemberType::kFile;
  if (S_ISDIR(mode)) return codec::MemberType::kDirectory;
  if (S_ISLNK(mode)) return codec::MemberType::kSymlink;
  if (S_ISCHR(mode)) return codec::MemberType::kCharDevice;
  if (S_ISBLK(mode)) return codec::MemberType::kBlockDevice;
  if (S_ISFIFO(mode)) return codec::MemberType::kFifo;
  return codec::MemberType::kOther;
}

/// Attributes of a directory entry without following it; what cannot be read is left out.
std::map<std::string, std::string> read_xattrs(int dir, const std::string& name) {
  std::map<std::string, std::string> out;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", dir, name);
  std::array<char, 4096> inline_buffer{};
  ssize_t got = ::llistxattr(path.c_str(), inline_buffer.data(), inline_buffer.size());
  std::string list;
  if (got > 0) {
    list.assign(inline_buffer.data(), static_cast<std::size_t>(got));
  } else if (got < 0 && errno == ERANGE) {
    list.resize(65536);
    got = ::llistxattr(path.c_str(), list.data(), list.size());
    if (got <= 0) return out;
    list.resize(static_cast<std::size_t>(got));
  }
  for (std::size_t at = 0; at < list.size();) {
    const std::string key(list.c_str() + at);
    at += key.size() + 1;
    if (key.empty() || key == "security.selinux") continue;
    std::string value(65536, '\0');
    const ssize_t size = ::lgetxattr(path.c_str(), key.c_str(), value.data(), value.size());
    if (size < 0) continue;
    value.resize(static_cast<std::size_t>(size));
    out.emplace(key, std::move(value));
  }
  return out;
}

Result<std::string> read_link(int dir, const std::string& name, const std::string& shown) {
  std::array<char, 4097> buffer{};
  const ssize_t got = ::readlinkat(dir, name.c_str(), buffer.data(), buffer.size());
  if (got < 0) return system_error(errno, "cannot read the link " + shown);
  return std::string(buffer.data(), static_cast<std::size_t>(got));
}

/// fs-verity(7): the file system keeps a hash of the content, and the file cannot be written.
bool has_verity(int dir, const std::string& name) {
  struct statx status{};
  return ::statx(dir, name.c_str(), AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_VERITY) != 0;
}

class DirectoryWalk {
 public:
  DirectoryWalk(std::string root, const WalkOptions& options, const LayerVisitor& visit)
      : root_(std::move(root)),
        options_(options),
        scratch_(options.scratch_directory),
        visit_(visit) {}

  Result<void> descend(UniqueFd dir, const std::string& path, std::size_t depth) {
    if (depth > kMaxDepth) {
      return bad_input("{}/{}: directories are nested more than {} deep", root_, path, kMaxDepth);
    }
    TRY(const std::vector<std::string> names, list(dir.get(), path));
    const std::string prefix = path.empty() ? path : path + "/";
    std::string child;
    for (const std::string& name : names) {
      child = prefix;
      child += name;
      TRY_DO(visit_one(dir.get(), name, child, depth));
    }
    return {};
  }

  std::uint64_t total() const { return total_; }

 private:
  Result<std::vector<std::string>> list(int fd, const std::string& path) const {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const UniqueDirectory dir(copy < 0 ? nullptr : ::fdopendir(copy));
    if (!dir) {
      const int error = errno;
      if (copy >= 0) ::close(copy);
      return system_error(error, fmt::format("cannot read directory {}/{}", root_, path));
    }
    std::vector<std::string> names;
    while (const dirent* item = ::readdir(dir.get())) {
      const std::string_view name(static_cast<const char*>(item->d_name));
      if (name != "." && name != "..") names.emplace_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  Result<void> visit_one(int dir, const std::string& name, const std::string& path,
                         std::size_t depth) {
    const std::string shown = root_ + "/" + path;
    struct stat status{};
    if (::fstatat(dir, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};  // vanished since it was listed
      return system_error(errno, "cannot stat " + shown);
    }
    LayerEntry entry;
    entry.path = path;
    codec::TarMember& member = entry.member;
    member.name = path;
    member.type = member_type(status.st_mode);
    member.mode = status.st_mode & 07777U;
    member.uid = status.st_uid;
    member.gid = status.st_gid;
    member.mtime = status.st_mtim.tv_sec;
    member.mtime_nanos = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    if (member.type == codec::MemberType::kCharDevice ||
        member.type == codec::MemberType::kBlockDevice) {
      member.device_major = gnu_dev_major(status.st_rdev);
      member.device_minor = gnu_dev_minor(status.st_rdev);
    }
    member.xattrs = read_xattrs(dir, name);
    if (member.type == codec::MemberType::kSymlink) {
      TRY(entry.link, read_link(dir, name, shown));
      member.link = entry.link;
    }
    if (member.type == codec::MemberType::kFile) {
      if (status.st_nlink > 1) {
        const auto [first, fresh] = links_.try_emplace({status.st_dev, status.st_ino}, path);
        if (!fresh) {
          member.type = codec::MemberType::kHardLink;
          entry.link = member.link = first->second;
          return visit_(entry, nullptr, nullptr);
        }
      }
      member.size = member.stored_size = static_cast<std::uint64_t>(status.st_size);
      entry.verity = has_verity(dir, name);
      total_ += member.size;
      if (options_.progress != nullptr) TRY_DO(options_.progress->add(member.size));
      LazyFile file(dir, name, shown, member.size);
      EntryContent content(file, member.size, scratch_);
      return visit_(entry, &content, nullptr);
    }
    TRY_DO(visit_(entry, nullptr, nullptr));
    if (member.type != codec::MemberType::kDirectory) return {};
    UniqueFd child(::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) {
      if (errno == ENOENT) return {};
      return system_error(errno, "cannot open directory " + shown)
          .hint("run as a user who may read the whole tree");
    }
    if (is_kernel_file_system(child.get())) return {};
    return descend(std::move(child), path, depth + 1);
  }

  std::string root_;
  const WalkOptions& options_;
  ContentScratch scratch_;
  const LayerVisitor& visit_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::uint64_t total_ = 0;
};

class DirectoryEntries final : public EntrySource {
 public:
  explicit DirectoryEntries(std::filesystem::path path) : path_(std::move(path)) {}
  Result<WalkResult> walk(const WalkOptions& options, const LayerVisitor& visit) const override {
    UniqueFd root(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return unreachable(errno, path_);
    std::string shown = path_.string();
    while (shown.size() > 1 && shown.ends_with('/')) shown.pop_back();
    if (shown == "/") shown.clear();
    DirectoryWalk walk(shown, options, visit);
    TRY_DO(walk.descend(std::move(root), "", 0));
    return WalkResult{walk.total(), ""};
  }

 private:
  std::filesystem::path path_;
};

class FileEntries final : public EntrySource {
 public:
  FileEntries(std::filesystem::path path, MappedFile file, struct stat status)
      : path_(std::move(path)), file_(std::move(file)), status_(status) {}
  Result<WalkResult> walk(const WalkOptions& options, const LayerVisitor& visit) const override {
    LayerEntry entry;
    entry.path = path_.filename().string();
    entry.member.name = entry.path;
    entry.member.mode = status_.st_mode & 07777U;
    entry.member.uid = status_.st_uid;
    entry.member.gid = status_.st_gid;
    entry.member.mtime = status_.st_mtim.tv_sec;
    entry.member.mtime_nanos = static_cast<std::uint32_t>(status_.st_mtim.tv_nsec);
    entry.member.size = entry.member.stored_size = file_.bytes().size();
    MemorySource source(file_.bytes());
    ContentScratch scratch(options.scratch_directory);
    EntryContent content(source, file_.bytes().size(), scratch);
    TRY_DO(visit(entry, &content, nullptr));
    return WalkResult{file_.bytes().size(), ""};
  }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  struct stat status_;
};

}  // namespace

Result<std::unique_ptr<Image>> open_directory(const std::filesystem::path& path) {
  auto image = std::make_unique<TreeImage>(std::make_unique<DirectoryEntries>(path));
  image->form = Form::kDirectory;
  image->name = path.string();
  return std::unique_ptr<Image>(std::move(image));
}

Result<std::unique_ptr<Image>> open_single_file(const std::filesystem::path& path, Form form) {
  TRY(const UniqueFd fd, open_read(path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "cannot stat " + path.string());
  TRY(MappedFile file, MappedFile::map(fd.get(), path.string()));
  const std::uint64_t size = file.bytes().size();
  auto image =
      std::make_unique<TreeImage>(std::make_unique<FileEntries>(path, std::move(file), status));
  image->form = form;
  image->name = path.string();
  image->layers.front().blob.size = size;
  return std::unique_ptr<Image>(std::move(image));
}

}  // namespace flense::image
