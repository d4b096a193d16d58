// An image as one side of a comparison: its inventory, and where its layers were read also every
// path that a container sees and the configuration.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/model/image.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"

namespace flense::inventory {

/// A path that a container sees. Directories that only other paths imply are left out.
struct SnapshotFile {
  std::string path;
  codec::MemberType type = codec::MemberType::kFile;  ///< hard links have their content's
  std::uint64_t size = 0;                             ///< regular files
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::string link;         ///< of symbolic links, as stored
  image::EntryRef content;  ///< of regular files
  std::string digest;       ///< of the content, where somebody read it for that
};

/// What the files of an image ask of glibc.
struct GlibcNeed {
  std::string version, path;  ///< the newest version asked for, and by which file
};

struct Snapshot {
  Inventory inventory;
  /// False of a saved inventory: the members below are unknown then, not empty.
  bool whole = false;
  std::vector<SnapshotFile> files;  ///< by path, in byte order
  std::map<std::string, std::string> configuration;
  std::map<std::string, std::uint64_t> reasons;  ///< inventory/compare/size_reasons.h
  std::optional<GlibcNeed> glibc;
  bool packages_known = true;  ///< false: there is a package database that flense does not read
};

/// `inventory` is what describe() made of `contents`.
Snapshot take_snapshot(const image::Image& image, const Contents& contents, Inventory inventory);
Snapshot snapshot_of_saved(Inventory inventory);

/// Members of the configuration by name: "User", "Env.PATH", "Labels.maintainer"; lists and objects
/// as compact JSON. Null and empty members count as absent.
std::map<std::string, std::string> flat_configuration(const text::Json& config);

/// Both are certain to be the same bytes because they are the same member of the same layer.
bool same_member(const Snapshot& a, const SnapshotFile& file_a, const Snapshot& b,
                 const SnapshotFile& file_b);

/// Positions in the two lists of `files` of those with equal path and size whose contents must be
/// read to tell whether they are equal.
std::vector<std::pair<std::size_t, std::size_t>> undecided(const Snapshot& a, const Snapshot& b);

}  // namespace flense::inventory
