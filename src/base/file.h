// Files of the host: descriptors, mappings, and outputs that appear whole or not at all.
#pragma once

#include <dirent.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"

namespace flense {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using UniqueDirectory = std::unique_ptr<DIR, CloseDirectory>;

/// Why a path that somebody named cannot be read: one that is not there is bad input everywhere.
Failure unreachable(int errno_value, const std::filesystem::path& path);
Result<UniqueFd> open_read(const std::filesystem::path& path);
/// Whole file, refusing more than `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit);

/// Which file, and whether it has changed: what a file system says without reading it. The device
/// is left out: network file systems renumber it with every mount.
struct FileIdentity {
  std::uint64_t inode = 0, size = 0;
  std::int64_t modified = 0, changed = 0;  ///< mtime and ctime in nanoseconds
  bool operator==(const FileIdentity&) const = default;
};

/// nullopt when there is no such file.
std::optional<FileIdentity> file_identity(const std::filesystem::path& path);

/// A regular file mapped read-only. Shared by value: the mapping lives as long as any copy.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  /// Takes no ownership of `fd`; `name` is for messages.
  static Result<MappedFile> map(int fd, std::string name);
  Bytes bytes() const;
  const std::string& name() const;
  /// As it was when it was mapped; nullopt for a scratch file, which has no name.
  const std::optional<FileIdentity>& identity() const;
  /// Whether the file of this name is still the one that was mapped, as it was then. Nobody else
  /// reaches a scratch file.
  bool unchanged() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// An unlinked scratch file in `dir` (O_TMPFILE, or created and unlinked).
Result<UniqueFd> open_scratch(const std::filesystem::path& dir);

/// A file that replaces `path` only on commit(): written beside it under a temporary name, fsynced,
/// renamed, directory fsynced. Destruction without commit removes the temporary.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path, unsigned mode = 0644);
  /// For a file that the user named: links are followed and stay, an existing file keeps its mode,
  /// and what is no regular file (/dev/stdout, a pipe) is written as it is, at once.
  static Result<AtomicFile> create_named(const std::filesystem::path& path);
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) noexcept = default;
  ~AtomicFile();
  int fd() const { return fd_.get(); }
  Result<void> commit();

 private:
  AtomicFile() = default;
  UniqueFd fd_;
  std::filesystem::path path_;  ///< empty: written as it is
  std::filesystem::path temporary_;
};

/// Replaces the whole file that the user named.
Result<void> save_named(const std::filesystem::path& path, std::string_view text);

/// The same for a directory tree: fill staging(), then commit() renames it to `path`, which must
/// not exist. Destruction without commit removes the staging tree.
class AtomicDirectory {
 public:
  static Result<AtomicDirectory> create(const std::filesystem::path& path);
  AtomicDirectory(AtomicDirectory&&) noexcept = default;
  AtomicDirectory& operator=(AtomicDirectory&&) noexcept = default;
  ~AtomicDirectory();
  const std::filesystem::path& staging() const { return staging_; }
  Result<void> commit();

 private:
  AtomicDirectory() = default;
  std::filesystem::path path_;
  std::filesystem::path staging_;
  UniqueFd lock_;  ///< says that staging_ is being written
};

Result<void> write_fully(int fd, Bytes bytes, std::string_view name);
/// A new file, in a directory that nobody else sees before it is complete: nothing
/// is renamed or fsynced.
Result<void> write_new_file(const std::filesystem::path& path, std::string_view text,
                            unsigned mode = 0644);
Result<void> fsync_path(const std::filesystem::path& path);

}  // namespace flense
