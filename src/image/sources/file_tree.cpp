#include "image/sources/file_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/path.h"
#include "codec/tar/tar.h"

namespace flense::image {

namespace {

constexpr std::string_view kBlobPrefix = "blobs/";
constexpr std::string_view kSha256Prefix = "blobs/sha256/";
constexpr int kMaxLinkHops = 40;

}  // namespace

DirectoryTree::DirectoryTree(std::filesystem::path root, std::filesystem::path blobs, bool flat)
    : root_(std::move(root)), blobs_(std::move(blobs)), flat_(flat), name_(root_.string()) {}

Result<std::optional<Blob>> DirectoryTree::find(std::string_view path) const {
  TRY(std::string clean, normalise_member_path(path));
  std::filesystem::path file = root_ / clean;
  if (flat_ && clean.starts_with(kSha256Prefix)) {
    file = root_ / clean.substr(kSha256Prefix.size());
  } else if (!blobs_.empty() && clean.starts_with(kBlobPrefix)) {
    file = blobs_ / clean.substr(kBlobPrefix.size());
  }
  // O_NONBLOCK: a FIFO in the place of a blob must not hang us.
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Blob>();
    return system_error(errno, "cannot open " + file.string());
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "cannot stat " + file.string());
  if (!S_ISREG(status.st_mode)) return bad_input("{}: not a regular file", file.string());
  if (status.st_size == 0) return std::optional<Blob>(Blob{{}, {}, file});
  TRY(MappedFile mapping, MappedFile::map(fd.get(), file.string()));
  Bytes bytes = mapping.bytes();
  return std::optional<Blob>(Blob{bytes, std::move(mapping), std::move(file)});
}

Result<std::unique_ptr<ArchiveTree>> ArchiveTree::open(Bytes bytes,
                                                       std::optional<MappedFile> mapping,
                                                       std::string name) {
  std::unique_ptr<ArchiveTree> tree(new ArchiveTree());
  tree->mapping_ = std::move(mapping);
  tree->name_ = std::move(name);
  MemorySource source(bytes);
  codec::TarReader::Limits limits;
  limits.max_members = 1'000'000;
  codec::TarReader reader(source, tree->name_, limits);
  while (true) {
    TRY(auto member, reader.next());
    if (!member) break;
    auto path = normalise_member_path(member->name);
    if (!path)
      return with_context(
          Result<std::unique_ptr<ArchiveTree>>(std::unexpected(std::move(path).error())),
          "reading {}", tree->name_);
    Member entry;
    switch (member->type) {
      case codec::MemberType::kFile: {
        Bytes content = reader.content().direct();
        entry.sparse = member->sparse;
        if (!member->sparse) {
          // The reader has checked that the payload lies inside the archive.
          TRY(entry.bytes, slice(content, 0, member->size, tree->name_));
        }
        break;
      }
      case codec::MemberType::kSymlink:
        entry.link = resolve_link_text(parent_path(*path), member->link);
        break;
      case codec::MemberType::kHardLink: {
        TRY(entry.link, normalise_member_path(member->link));
        break;
      }
      case codec::MemberType::kDirectory:
      case codec::MemberType::kCharDevice:
      case codec::MemberType::kBlockDevice:
      case codec::MemberType::kFifo:
      case codec::MemberType::kOther:
        continue;
    }
    tree->members_.insert_or_assign(std::move(*path), std::move(entry));
  }
  return tree;
}

Result<std::optional<Blob>> ArchiveTree::find(std::string_view path) const {
  TRY(std::string clean, normalise_member_path(path));
  for (int hop = 0; hop < kMaxLinkHops; ++hop) {
    auto found = members_.find(clean);
    if (found == members_.end()) return std::optional<Blob>();
    const Member& member = found->second;
    if (member.sparse) {
      return bad_input("{}: member {} is stored sparse; save the image again without it", name_,
                       clean);
    }
    if (member.link.empty()) return std::optional<Blob>(Blob{member.bytes, mapping_, {}});
    clean = member.link;
  }
  return bad_input("{}: member {} is a loop of links", name_, path);
}

bool ArchiveTree::looks_like_root_file_system() const {
  for (std::string_view path : {"etc/os-release", "usr/lib/os-release", "etc/passwd", "bin/sh"}) {
    if (members_.contains(path)) return true;
  }
  return false;
}

}  // namespace flense::image
