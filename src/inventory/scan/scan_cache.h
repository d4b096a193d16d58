// What reading an image has yielded, kept for the next question about the same bytes: the LayerScan
// of each layer by the layer's digests, and the Needs of an image by the digests of its
// configuration and layers. Only what was hashed and found to match its digests is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "device/prune.h"
#include "image/model/image.h"
#include "inventory/scan/entry_store.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

struct Needs;

/// What must hold for the cache to stand in for reading a layer.
enum class CacheTrust {
  /// This very file has been hashed, and by inode, size and times has not changed since.
  kFile,
  /// Another file with the same digests has been hashed: right for questions about what the digests
  /// name, which engines verify when they take the image in. A damaged copy goes unnoticed.
  kDigest,
};

/// The kinds of entries: a LayerScan, Needs, and the mark that a file was hashed and matched.
inline constexpr std::string_view kLayerKind = "layer", kNeedsKind = "needs", kFileKind = "file";

template <class T>
struct Cached {
  T value;
  std::int64_t since = 0;  ///< when the bytes were hashed; seconds since 1970
};

class InventoryCache {
 public:
  /// A file must have rested so long before it was read: times have the grain of a clock tick, on
  /// FAT of two seconds, and within one a change leaves no trace.
  static constexpr std::int64_t kSettleNanoseconds = 2'000'000'000;

  explicit InventoryCache(EntryStore store, std::int64_t settle = kSettleNanoseconds)
      : store_(std::move(store)), settle_(settle) {}

  using Prune = std::optional<device::PruneOptions>;
  using Scan = std::shared_ptr<const LayerScan>;
  /// nullopt as well for layers without a digest: directories, single files, squashfs.
  std::optional<Cached<Scan>> load_scan(const image::Image& image, std::size_t layer,
                                        const Prune& prune, CacheTrust trust) const;
  /// For a layer that was hashed while it was scanned, which began at `started` (wall_clock()).
  /// Nothing is kept of a file that changed meanwhile.
  void store_scan(const image::Image& image, std::size_t layer, const Prune& prune,
                  const LayerScan& scan, std::int64_t started);

  /// `basis` names whatever else the needs were made from, such as rows a user has added to tables.
  /// The result has the name of `image`.
  std::optional<Cached<Needs>> load_needs(const image::Image& image, std::string_view basis,
                                          CacheTrust trust) const;
  /// For needs that were made from layers of which each was hashed, now or for the cache
  /// (ScanOrigin::hashed).
  void store_needs(const image::Image& image, std::string_view basis, const Needs& needs);

  EntryStore& store() { return store_; }
  const EntryStore& store() const { return store_; }

 private:
  EntryStore store_;
  std::int64_t settle_;
};

/// Whether the payload of an entry is what its kind promises; of an entry that another version or
/// build wrote only the sum around it is known to be right.
bool is_sound(const StoredEntry& entry);

/// Places in order of preference; the first that can be used. `complaints` gets why others cannot.
std::optional<EntryStore> open_first(const std::vector<std::filesystem::path>& places,
                                     std::uint64_t max_bytes, std::vector<std::string>& complaints);

}  // namespace flense::inventory
