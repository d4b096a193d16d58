// What reading an image has yielded, kept for the next question about the same bytes: the LayerScan
// of each layer by the layer's digests, and what others make of a whole image (needs/cache.h). Only
// what was hashed and found to match its digests is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "codec/sha256.h"
#include "device/prune.h"
#include "image/model/image.h"
#include "inventory/scan/entry_store.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

/// What must hold for the cache to stand in for reading a layer.
enum class CacheTrust {
  /// This very file has been hashed, and by inode, size and times has not changed since. What an
  /// engine vouches for (Image::vouched_for) is no file, and as kDigest.
  kFile,
  /// Another file with the same digests has been hashed: right for questions about what the digests
  /// name, which engines verify when they take the image in. A damaged copy goes unnoticed.
  kDigest,
};

/// The kinds of entries: a LayerScan, the mark that a file was hashed and matched, and what an
/// image that an engine saved says of itself (image::ImageMemory).
inline constexpr std::string_view kLayerKind = "layer", kFileKind = "file", kSavedKind = "saved";

/// A key of parts none of which can run into the next.
class KeyMaker {
 public:
  explicit KeyMaker(std::string_view kind) { add(kind); }
  KeyMaker& add(std::string_view part);
  std::string key() { return sum_.hex(); }

 private:
  codec::Sha256 sum_;
};

/// What entries of a kind look like and mean to this build: a part of their key, so that what
/// another one would have made otherwise is not taken for ours. The signature is for programs that
/// were linked without a build id.
std::string form_of(std::string_view kind, std::string_view signature = {});

/// By the configuration; empty for images that cannot be told by digests.
std::string image_key(const image::Image& image, std::string_view kind, std::string_view form,
                      std::string_view basis);

/// Of an entry, for people: shortened.
std::string label_of(std::string text);

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

  /// When the last of the image's layers was hashed as it lies there now; nullopt when one was not.
  std::optional<std::int64_t> hashed_since(const image::Image& image) const;

  EntryStore& store() { return store_; }
  const EntryStore& store() const { return store_; }

 private:
  EntryStore store_;
  std::int64_t settle_;
};

image::ImageMemory memory_in(EntryStore store);

/// Whether the payload of an entry of these kinds is what they promise; of an entry that another
/// version or build wrote only the sum around it is known to be right.
bool is_sound_scan(const StoredEntry& entry);

/// Places in order of preference; the first that can be used. `complaints` gets why others cannot.
std::optional<EntryStore> open_first(const std::vector<std::filesystem::path>& places,
                                     std::uint64_t max_bytes, std::vector<std::string>& complaints);

}  // namespace flense::inventory
