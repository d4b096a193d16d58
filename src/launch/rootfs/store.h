// Root file systems, unpacked once per image and used read-only: a content-addressed directory on
// this machine, shared by any number of processes. An entry appears whole or not at all.
//
//   roots/KEY/root/       the tree: the caller's own files, see image::Ownership::kCaller
//   roots/KEY/listing     its files (listing.h)
//   roots/KEY/programs    its programs, for the check at each start (programs.h)
//   roots/KEY/entry.json  its label, notices and size; without it there is no entry
//
// A user of an entry holds it (kept_directory.h); whoever unpacks or removes one has the lock of
// roots/.KEY.lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "base/result.h"
#include "image/model/image.h"
#include "launch/rootfs/disk_space.h"
#include "text/json.h"

namespace flense::launch {

inline constexpr const char* kEntryName = "entry.json";

struct RootFs {
  std::string key;                   ///< 64 hexadecimal digits: what the layers hold
  std::filesystem::path path;        ///< the root directory
  UniqueFd directory;                ///< the same, open (O_PATH)
  std::vector<std::string> notices;  ///< of unpacking; kept with the entry
  /// Holds the entry until it is mounted: it is not removed while this is open.
  /// Empty for a directory that is used where it lies.
  UniqueFd held;
  bool unpacked_now = false;
  /// `directory` is a mount that is attached nowhere, and `path` the image that it shows
  /// (mounted_root.h).
  bool mounted = false;
};

struct ListedRoot {
  std::string key, label;
  std::uint64_t bytes = 0;
  std::int64_t used = 0;  ///< seconds since 1970
};

class RootStore {
 public:
  /// The directory is made for this user alone. An environment error when it cannot be used.
  /// `max_unpacked`: replaces the limit derived from the image's size
  /// (image/layers/unpack_limit.h).
  static Result<RootStore> open(const std::filesystem::path& directory,
                                std::optional<std::uint64_t> max_unpacked = std::nullopt);

  /// The key of an image: its layers' diff_ids, in order; of a squashfs, which names no digest of
  /// its content, the file that it is (path, inode, size, times).
  static Result<std::string> key_of(const image::Image& image);
  /// A directory as it is: nothing is copied, and nothing created in it. Whoever may write there
  /// chooses what is started.
  static Result<RootFs> in_place(const std::filesystem::path& directory);
  /// What is there; an entry of another form or a damaged one is not. An environment error for one
  /// that others can reach: directories of an image may be anyone's to write.
  Result<std::optional<RootFs>> find(const std::string& key) const;
  /// The same, unpacked now if it is missing. Of several concurrent callers one unpacks.
  Result<RootFs> obtain(const image::Image& image, Progress& progress) const;

  std::vector<ListedRoot> list() const;
  /// False while a container uses it, or somebody is unpacking it.
  Result<bool> remove(const std::string& key) const;
  /// Removes what killed processes left of roots (kept_directory.h); the bytes that are gone.
  std::uint64_t clear_left_behind() const;
  /// Walks the tree again and compares with what was unpacked; the first difference as an error.
  Result<void> verify(const std::string& key, Progress& progress) const;
  const std::filesystem::path& directory() const { return directory_; }

 private:
  RootStore(std::filesystem::path directory, std::optional<std::uint64_t> max_unpacked)
      : directory_(std::move(directory)), max_unpacked_(max_unpacked) {}
  std::filesystem::path entry(const std::string& key) const { return directory_ / key; }
  Result<void> unpack(const image::Image& image, const std::string& key, Progress& progress) const;
  Error with_need(Error error, const image::Image& image, std::size_t next, std::uint64_t written,
                  const Room& before) const;
  Result<void> fill(const image::Image& image, const std::string& key,
                    const std::filesystem::path& staging, std::size_t& layer,
                    Progress& progress) const;

  std::filesystem::path directory_;
  std::optional<std::uint64_t> max_unpacked_;
};

}  // namespace flense::launch
