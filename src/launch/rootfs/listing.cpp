#include "launch/rootfs/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <unordered_set>

#include "base/binary_fields.h"
#include "base/file.h"
#include "base/stream.h"
#include "codec/sha256.h"

namespace flense::launch {

constexpr std::size_t member_count(const ListedFile*) {
  return 10;
}
constexpr std::size_t member_count(const Listing*) {
  return 2;
}

namespace {

constexpr std::string_view kListingMagic = "flenseL1";
constexpr std::size_t kSumBytes = 64;
constexpr int kMaxDepth = 512;
constexpr std::size_t kMaxFiles = 5'000'000;

Result<std::vector<std::string>> names_of(int directory, const std::string& path) {
  const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const UniqueDirectory stream(own < 0 ? nullptr : ::fdopendir(own));
  if (!stream) {
    const int error = errno;
    if (own >= 0) ::close(own);
    return system_error(error, "cannot read /" + path);
  }
  std::vector<std::string> names;
  while (const dirent* item = ::readdir(stream.get())) {
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Walk {
 public:
  Walk(const WrittenFiles* written, Progress& progress) : written_(written), progress_(progress) {}

  Result<void> visit(int parent, const std::string& name, const std::string& path, int depth) {
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return system_error(errno, "cannot read /" + path);
    if (out_.files.size() >= kMaxFiles) return bad_input("more than {} files", kMaxFiles);
    const image::WrittenFile* stored = find(status);
    TRY_DO(settle(parent, name, path, stored, status));
    ListedFile file;
    file.path = path;
    file.type = status.st_mode & S_IFMT;
    file.mode = status.st_mode & 07777U;
    file.mtime = status.st_mtim.tv_sec;
    file.mtime_nanos = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    file.stored_mode = stored != nullptr ? stored->mode : file.mode;
    file.stored_uid = stored != nullptr ? stored->uid : 0;
    file.stored_gid = stored != nullptr ? stored->gid : 0;
    if (S_ISREG(status.st_mode)) {
      file.size = static_cast<std::uint64_t>(status.st_size);
      TRY(file.content, content_of(parent, name, path, stored, file.size));
      if (status.st_nlink == 1 || linked_.insert(std::uint64_t{status.st_ino}).second)
        out_.bytes += file.size;
    } else if (S_ISLNK(status.st_mode)) {
      TRY(file.content, link_text(parent, name, path));
      file.mode = 0777;
    }
    out_.files.push_back(std::move(file));
    if (S_ISDIR(status.st_mode)) TRY_DO(below(parent, name, path, depth));
    return {};
  }

  Listing take() { return std::move(out_); }

 private:
  const image::WrittenFile* find(const struct stat& status) const {
    if (written_ == nullptr) return nullptr;
    const auto at = written_->find(std::uint64_t{status.st_ino});
    return at == written_->end() ? nullptr : &at->second;
  }

  /// What no layer mentions gets one time and, where it is a directory, is not left to the umask.
  Result<void> settle(int parent, const std::string& name, const std::string& path,
                      const image::WrittenFile* stored, struct stat& status) const {
    if (written_ == nullptr || stored != nullptr || S_ISLNK(status.st_mode)) return {};
    const std::array<struct timespec, 2> zero{};
    const mode_t mode =
        S_ISDIR(status.st_mode) ? (status.st_mode & S_ISVTX) != 0 ? 01777 : 0755 : 0644;
    // Not a link, as fstatat has just said, and nobody else writes here.
    if (::fchmodat(parent, name.c_str(), mode, 0) != 0 ||
        ::utimensat(parent, name.c_str(), zero.data(), AT_SYMLINK_NOFOLLOW) != 0 ||
        ::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return system_error(errno, "cannot set the times of /" + path);
    return {};
  }

  Result<std::string> content_of(int parent, const std::string& name, const std::string& path,
                                 const image::WrittenFile* stored, std::uint64_t size) {
    if (stored != nullptr && !stored->sha256.empty()) return stored->sha256;
    const UniqueFd fd(
        ::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return system_error(errno, "cannot read /" + path);
    FdSource source(fd.get(), "/" + path);
    codec::Sha256 hash;
    while (true) {
      TRY(const Bytes bytes, source.next(1u << 20));
      if (bytes.empty()) break;
      hash.update(bytes);
    }
    TRY_DO(progress_.add(size));
    return hash.hex();
  }

  static Result<std::string> link_text(int parent, const std::string& name,
                                       const std::string& path) {
    std::array<char, 4097> text{};
    const ssize_t size = ::readlinkat(parent, name.c_str(), text.data(), text.size());
    if (size < 0) return system_error(errno, "cannot read the link /" + path);
    return std::string(text.data(), static_cast<std::size_t>(size));
  }

  Result<void> below(int parent, const std::string& name, const std::string& path, int depth) {
    if (depth >= kMaxDepth) return bad_input("directories are nested more than {} deep", kMaxDepth);
    const UniqueFd fd(
        ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return system_error(errno, "cannot read /" + path);
    TRY(const std::vector<std::string> names, names_of(fd.get(), path));
    for (const std::string& child : names)
      TRY_DO(visit(fd.get(), child, path.empty() ? child : path + "/" + child, depth + 1));
    return {};
  }

  const WrittenFiles* written_;
  Progress& progress_;
  Listing out_;
  std::unordered_set<std::uint64_t> linked_;
};

std::string describe(const ListedFile& file) {
  return file.path.empty() ? "the root directory" : file.path;
}

}  // namespace

Result<Listing> list_root(int root, const WrittenFiles* written, Progress& progress) {
  Walk walk(written, progress);
  TRY_DO(walk.visit(root, ".", "", 0));
  return walk.take();
}

std::string listing_sum(std::string_view bytes) {
  codec::Sha256 hash;
  hash.update(as_bytes(bytes));
  return hash.hex();
}

std::string encode_listing(const Listing& listing) {
  BinaryWriter out;
  out.raw(kListingMagic);
  out.put(listing);
  std::string text = out.take();
  text += listing_sum(text);
  return text;
}

Result<Listing> decode_listing(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (text.size() < kListingMagic.size() + kSumBytes || !text.starts_with(kListingMagic))
    return bad_input("the listing is not of this version");
  const std::string_view whole = text.substr(0, text.size() - kSumBytes);
  if (listing_sum(whole) != text.substr(whole.size())) return bad_input("the listing is damaged");
  BinaryReader in(as_bytes(whole.substr(kListingMagic.size())));
  Listing out;
  in.get(out);
  if (!in.good() || !in.at_end()) return bad_input("the listing is damaged");
  return out;
}

std::optional<std::string> first_difference(const Listing& expected, const Listing& found) {
  const std::size_t count = std::max(expected.files.size(), found.files.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (i >= expected.files.size()) return describe(found.files[i]) + " was not unpacked";
    if (i >= found.files.size()) return describe(expected.files[i]) + " is missing";
    const ListedFile& a = expected.files[i];
    const ListedFile& b = found.files[i];
    if (a.path != b.path)
      return a.path < b.path ? describe(a) + " is missing" : describe(b) + " was not unpacked";
    if (a.type != b.type) return describe(a) + " has another type";
    if (a.size != b.size || a.content != b.content) return describe(a) + " has another content";
    if (a.mode != b.mode) return describe(a) + " has another mode";
    if (a.mtime != b.mtime || a.mtime_nanos != b.mtime_nanos)
      return describe(a) + " has another time";
  }
  return std::nullopt;
}

}  // namespace flense::launch
