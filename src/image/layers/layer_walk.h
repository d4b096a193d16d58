// One pass over one layer: every member in order, with digests verified on the way.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/progress.h"
#include "codec/tar/tar.h"
#include "image/model/image.h"

namespace flense::image {

/// A member of a layer as the walk hands it out.
struct LayerEntry {
  std::string path;  ///< normalised; whiteouts keep their ".wh." name
  std::string link;  ///< hard links: normalised path; symlinks: the text as stored
  codec::TarMember member;
  bool verity = false;  ///< fs-verity guards the content; told of directories only
};

enum class Whiteout { kNone, kFile, kOpaque };
/// ".wh.name" hides `name`; ".wh..wh..opq" hides everything below its directory in lower layers.
/// AUFS metadata is kNone.
Whiteout whiteout_kind(std::string_view path);
/// The kFile whiteout that hides the path.
std::string whiteout_of(std::string_view path);
/// Path hidden by a kFile whiteout, or the directory of a kOpaque one.
std::string whiteout_target(std::string_view path);

/// ".wh..wh.plnk" and the like, and what lies below: AUFS bookkeeping that is no content of the
/// image.
bool is_aufs_metadata(std::string_view path);

/// Where AUFS keeps what has several names. A hard link of the same layer may lead to a file there,
/// which then has its content from it, as in Docker and containerd.
inline constexpr std::string_view kAufsLinks = ".wh..wh.plnk";
bool is_aufs_link_content(std::string_view path, codec::MemberType type);

/// Holds one content at a time: a buffer up to 64 MiB, else an unlinked file that is mapped. Both
/// are used again for the next content, since fresh pages cost more than the copy into them.
class ContentScratch {
 public:
  explicit ContentScratch(std::filesystem::path directory) : directory_(std::move(directory)) {}
  /// The next `size` bytes of `from`; valid until the next call.
  Result<Bytes> hold(Source& from, std::uint64_t size);

 private:
  Result<Bytes> buffer(Source& from, std::size_t size);
  Result<Bytes> spill(Source& from, std::uint64_t size);

  std::filesystem::path directory_;
  std::unique_ptr<std::byte[]> buffer_;
  UniqueFd file_;
  MappedFile mapped_;
};

/// Content of a regular file, while its member is visited.
class EntryContent {
 public:
  /// `watched` ends a stream once a stop was requested: few stored bytes may stand for many.
  EntryContent(Source& source, std::uint64_t size, ContentScratch& scratch,
               Progress* watched = nullptr);
  /// First bytes (at most 4096 asked for) without consuming.
  Result<Bytes> peek(std::size_t count);
  /// Everything, without a copy where it lies in memory already. Call at most once, and not after
  /// stream(); valid during the visit.
  Result<Bytes> materialise();
  /// The content as a stream (peeked bytes included).
  Source& stream();
  std::uint64_t size() const { return size_; }

 private:
  struct Rest;
  Source& source_;
  std::uint64_t size_;
  ContentScratch& scratch_;
  Progress* watched_;
  std::shared_ptr<Rest> rest_;
};

struct WalkOptions {
  std::filesystem::path scratch_directory;
  bool verify_digests = true;
  /// A layer that lies in a file uncompressed may still be hashed when the walk is over: see
  /// VerifiedLayers::settle.
  bool late_digests = false;
  /// A layer that unpacks to more is refused (decompression bombs).
  std::uint64_t max_unpacked_bytes = 1ull << 40;
  Progress* progress = nullptr;  ///< advanced by unpacked bytes
};

struct WalkResult {
  std::uint64_t unpacked_bytes = 0;  ///< size of the uncompressed tar (directories: content bytes)
  std::string diff_id;               ///< as computed
};

/// Visits every member of the layer. `content` is null unless the member is a regular file. `raw`
/// is the tar reader positioned on the member for exact copies; null for directories and squashfs.
/// Decompression, hashing and visiting overlap on separate threads.
using LayerVisitor = std::function<Result<void>(const LayerEntry& entry, EntryContent* content,
                                                codec::TarReader* raw)>;
Result<WalkResult> walk_layer(const Image& image, std::size_t index, const WalkOptions& options,
                              const LayerVisitor& visit);

}  // namespace flense::image
