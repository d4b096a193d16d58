// The files of an OCI layout or of an archive by name, as mapped views: what is above this does not
// care whether the image is a directory, a tar file or bytes in memory.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace flense::image {

/// One file: a view and what keeps it alive.
struct Blob {
  Bytes bytes;
  std::optional<MappedFile> mapping;
  std::optional<std::filesystem::path> path;  ///< when it is a file of its own
};

class FileTree {
 public:
  FileTree() = default;
  FileTree(const FileTree&) = delete;
  FileTree& operator=(const FileTree&) = delete;
  virtual ~FileTree() = default;
  /// nullopt when there is no such file. `path` is relative, '/'-separated.
  virtual Result<std::optional<Blob>> find(std::string_view path) const = 0;
  /// For messages.
  virtual const std::string& name() const = 0;
};

/// A directory. Blobs may live in a second one (skopeo's shared blob directory); blob files may be
/// symbolic links, as build systems lay them out: the digest vouches for the content.
class DirectoryTree final : public FileTree {
 public:
  /// `blobs`: directory that holds sha256/…; empty = `root`/blobs. `flat`: blobs are files of
  /// `root` named by their digits alone (skopeo's dir: transport).
  DirectoryTree(std::filesystem::path root, std::filesystem::path blobs, bool flat);
  Result<std::optional<Blob>> find(std::string_view path) const override;
  const std::string& name() const override { return name_; }

 private:
  std::filesystem::path root_, blobs_;
  bool flat_;
  std::string name_;
};

/// A tar archive in memory. Symbolic and hard links among its members are followed inside it.
class ArchiveTree final : public FileTree {
 public:
  /// `bytes` must outlive the tree unless they are those of `mapping`.
  static Result<std::unique_ptr<ArchiveTree>> open(Bytes bytes, std::optional<MappedFile> mapping,
                                                   std::string name);
  Result<std::optional<Blob>> find(std::string_view path) const override;
  const std::string& name() const override { return name_; }
  /// Some member names, for messages about archives of an unknown kind.
  bool looks_like_root_file_system() const;

 private:
  struct Member {
    Bytes bytes;
    std::string link;  ///< a member path, when the member is a link
    bool sparse = false;
  };
  ArchiveTree() = default;

  std::map<std::string, Member, std::less<>> members_;
  std::optional<MappedFile> mapping_;
  std::string name_;
};

}  // namespace flense::image
