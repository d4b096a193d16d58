// What a container sees: the layers applied in order. Compact records, so that an image of half a
// million files stays below 100 MB. OCI image-spec v1.1 layer.md "Applying Changesets".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "image/layers/layer_walk.h"

namespace flense::image {

/// The members of one layer in archive order. Filled by a walk (one listing per thread), then
/// read-only.
class LayerListing {
 public:
  struct Entry {
    std::string_view path;
    std::string_view link;
    std::uint64_t size = 0;
    std::int64_t mtime = 0;
    std::uint32_t mode = 0;
    std::uint32_t uid = 0, gid = 0;  ///< above 32 bits: clamped
    codec::MemberType type = codec::MemberType::kFile;
  };

  Result<void> add(const LayerEntry& entry);
  Result<void> add(const Entry& entry);
  /// Room for so many members and so many bytes of their paths and links.
  void reserve(std::size_t members, std::size_t text);
  std::size_t size() const { return records_.size(); }
  Entry at(std::size_t index) const;

 private:
  struct Record {
    std::uint64_t size;
    std::int64_t mtime;
    std::uint32_t path_offset, path_size, link_offset, link_size;
    std::uint32_t mode, uid, gid;
    codec::MemberType type;
  };
  std::string text_;
  std::vector<Record> records_;
};

/// The n-th member of a layer.
struct EntryRef {
  std::uint32_t layer = 0, index = 0;
  bool operator==(const EntryRef&) const = default;
};

enum class EntryState : std::uint8_t {
  kLive,
  kOverwritten,  ///< another entry of the same path, in a later layer or later in this one
  kDeleted,      ///< by a whiteout, or because a parent directory was replaced
  kMarker,       ///< whiteouts and AUFS metadata: never part of the tree
};

class MergedTree {
 public:
  static constexpr std::uint32_t kNoLayer = UINT32_MAX;

  /// Listings in layer order, bottom first.
  static Result<MergedTree> build(std::vector<std::shared_ptr<const LayerListing>> layers);
  MergedTree(MergedTree&&) noexcept = default;
  MergedTree& operator=(MergedTree&&) noexcept = default;
  ~MergedTree() = default;

  struct Found {
    /// nullopt for a directory that only the paths of others imply.
    std::optional<EntryRef> entry;
    /// Where the bytes are: `entry` for files, and for a hard link the entry it leads to (whose
    /// link text counts, should that be a symbolic link); nullopt when it dangles, and for others.
    std::optional<EntryRef> content;
    codec::MemberType type = codec::MemberType::kDirectory;
  };
  /// The exact path, no symbolic link followed.
  std::optional<Found> find(std::string_view path) const;

  /// Follows symbolic links inside the root as the kernel does in a chroot (at most 40); the path
  /// without links, or nullopt when something is missing or loops.
  std::optional<std::string> resolve(std::string_view path, bool follow_last = true) const;

  struct Shadow {
    EntryState state = EntryState::kLive;
    std::uint32_t by_layer = kNoLayer;  ///< the layer that overwrote or deleted it
  };
  Shadow shadow(EntryRef ref) const;
  /// Whether some live path shows the content of this entry (itself, or a hard link to it).
  bool content_is_live(EntryRef ref) const;

  /// Live paths, parents first, siblings in byte order; an error of `fn` ends it. Directories
  /// without an entry of their own are visited too.
  Result<void> for_each(
      const std::function<Result<void>(const std::string& path, const Found& found)>& fn) const;
  /// Names in a directory, in byte order; empty when it is none.
  std::vector<std::string> list(std::string_view directory) const;

  LayerListing::Entry entry(EntryRef ref) const { return layers_[ref.layer]->at(ref.index); }
  std::size_t layer_count() const { return layers_.size(); }
  const LayerListing& layer(std::size_t index) const { return *layers_[index]; }
  /// Live paths, implied directories included.
  std::uint64_t live_count() const { return live_count_; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Node {
    std::string_view name;  ///< in a listing
    std::uint32_t parent = kNone, first_child = kNone, next = kNone;
    std::uint32_t hash_next = kNone;
    EntryRef entry, content;
    bool exists = false, has_entry = false, has_content = false;
  };

  MergedTree() = default;
  Result<void> apply(std::uint32_t layer);
  Result<void> place(std::uint32_t layer, std::uint32_t index);
  Result<std::uint32_t> child(std::uint32_t parent, std::string_view name, bool create);
  std::uint32_t lookup(std::uint32_t parent, std::string_view name) const;
  Result<std::uint32_t> make_path(std::string_view path, std::uint32_t layer);
  std::uint32_t find_node(std::string_view path) const;
  std::uint32_t walk_links(std::string_view path, bool follow_last) const;
  /// The node that a hard link names; kNone when there is none.
  std::uint32_t link_target(std::string_view link) const;
  /// What a further name of the node leads to; nullopt for directories and what is not there.
  std::optional<EntryRef> content_of(std::uint32_t node) const;
  void remove_below(std::uint32_t node, std::uint32_t by_layer);
  void retire(std::uint32_t node, EntryState state, std::uint32_t by_layer);
  codec::MemberType type_of(const Node& node) const;
  Found describe(const Node& node) const;
  std::string path_of(std::uint32_t node) const;
  /// Leaves in each directory the nodes that exist, in byte order.
  void sort_children();
  void rehash(std::size_t buckets);

  std::vector<std::shared_ptr<const LayerListing>> layers_;
  std::vector<std::vector<Shadow>> shadows_;
  std::vector<std::vector<bool>> live_content_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> buckets_;
  // Of the layer that is being applied:
  /// By path: see is_aufs_link_content().
  std::unordered_map<std::string_view, EntryRef> aufs_links_;
  /// By member, what hard links found in lower layers before a later whiteout took it.
  std::unordered_map<std::uint32_t, EntryRef> linked_below_;
  std::uint64_t live_count_ = 0;
};

}  // namespace flense::image
