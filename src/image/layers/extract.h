// Layers applied to a directory of the host. Nothing a layer says can touch a file outside the
// root: parents are resolved by openat2 with RESOLVE_IN_ROOT, last components are never followed.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "image/layers/layer_walk.h"
#include "image/layers/unpack_limit.h"

namespace flense::image {

/// What the layers say of a file that was written otherwise.
struct WrittenFile {
  std::uint32_t mode = 0;  ///< permission bits with setuid, setgid and sticky
  std::uint64_t uid = 0, gid = 0;
  std::string sha256;  ///< of a regular file's content: 64 hexadecimal digits
};

/// How files come out.
enum class Ownership {
  kAsStored,  ///< owners, modes and device nodes as the layers say, as far as we may
  /// Everything is the caller's and within his reach: no owners, no device nodes, no setuid and
  /// setgid bits, none but "user." attributes; directories u+rwx, files u+r.
  kCaller,
};

class Extractor {
 public:
  /// `root` is an empty directory that is ours.
  static Result<Extractor> create(const std::filesystem::path& root,
                                  Ownership ownership = Ownership::kAsStored,
                                  const UnpackLimit& limit = {});
  Extractor(Extractor&&) noexcept = default;
  Extractor& operator=(Extractor&&) noexcept = default;
  ~Extractor() = default;

  /// Whiteouts act on what lay there before this call.
  Result<void> begin_layer();
  /// One member; entries of a layer in archive order. `content` as the walk hands it out.
  Result<void> add(const LayerEntry& entry, EntryContent* content);
  /// Sets modes and times of directories, which writing into them would have changed.
  Result<void> finish();
  /// What could not be written as the layers say, with counts.
  std::vector<std::string> notices() const;
  /// By inode, with Ownership::kCaller: what was stored for the files there are.
  const std::unordered_map<std::uint64_t, WrittenFile>& written() const { return written_; }

 private:
  struct Parent {
    int fd = -1;
    std::uint64_t inode = 0;
  };
  Extractor() = default;
  Result<UniqueFd> open_in_root(const std::string& path, std::uint64_t flags) const;
  Result<Parent> parent_of(const std::string& path, bool create);
  Result<UniqueFd> make_directories(const std::string& path);
  Result<void> clear_place(const Parent& parent, const std::string& name, bool keep_directory,
                           bool& kept);
  Result<void> write_file(const Parent& parent, const std::string& name, const LayerEntry& entry,
                          EntryContent* content);
  Result<void> write_link(const Parent& parent, const std::string& name, const LayerEntry& entry);
  Result<void> write_special(const Parent& parent, const std::string& name,
                             const LayerEntry& entry);
  Result<void> set_metadata(int fd, const codec::TarMember& member, const std::string& path);
  Result<void> remember_directory(int fd, const LayerEntry& entry);
  Result<void> apply_whiteout(const LayerEntry& entry);
  Result<void> remove_aufs_links();
  Result<void> remove(int dir, const std::string& name);
  void forget(const struct stat& gone);
  Result<bool> remove_lower(int dir, std::uint64_t dir_inode, const std::string& name, int depth);
  Result<bool> empty_lower(int dir, int depth);
  static std::string key(std::uint64_t dir_inode, std::string_view name);

  /// The mode to be set; remembers what the layer says where that may differ.
  std::uint32_t mode_for(std::uint64_t inode, const codec::TarMember& member);

  UniqueFd root_;
  UnpackLimit limit_;
  bool privileged_ = false;
  bool as_caller_ = false;
  UniqueFd cached_;
  std::string cached_path_;
  std::uint64_t cached_inode_ = 0;
  bool cache_valid_ = false;
  bool aufs_links_ = false;                 ///< the layer has brought some
  std::unordered_set<std::string> placed_;  ///< "parent inode/name" written by this layer
  /// Directories whose metadata finish() sets, by inode: a path may lead to another one by then.
  struct Directory {
    std::string path;
    codec::TarMember member;
  };
  std::map<std::uint64_t, Directory> directories_;
  std::unordered_map<std::uint64_t, WrittenFile> written_;
  std::uint64_t skipped_devices_ = 0, skipped_others_ = 0, skipped_xattrs_ = 0;
  std::uint64_t dropped_bits_ = 0;
};

}  // namespace flense::image
