// Writes one uncompressed layer as several (slim/apply/split_plan.h). The tar must lie in memory:
// it is read once for the plan and once for each part.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "codec/sha256.h"
#include "image/output/writer.h"

namespace flense::slim {

/// Docker's limit, which other engines share; overlay mounts take no more either.
inline constexpr std::size_t kMaxLayers = 127;

/// A layer on its way into a scratch file, hashed.
class LayerSpool final : public Sink {
 public:
  static Result<std::unique_ptr<LayerSpool>> create(const std::filesystem::path& scratch);
  Result<void> write(Bytes bytes) override;
  /// The whole tar; valid as long as this object.
  Result<Bytes> tar();
  /// The same, valid as long as any copy.
  Result<MappedFile> file() const { return MappedFile::map(fd_.get(), "a scratch file"); }
  /// "sha256:…" of what was written; once, at the end.
  std::string diff_id() { return hash_.digest(); }

 private:
  explicit LayerSpool(UniqueFd fd)
      : fd_(std::move(fd)), file_(fd_.get(), "a scratch file"), hash_(file_) {}
  UniqueFd fd_;
  FdSink file_;
  codec::HashingSink hash_;
  MappedFile map_;
};

/// How layers are stored.
struct LayerPacking {
  codec::Compression compression = codec::Compression::kNone;
  codec::EncodeOptions encode;
  bool lazy = false;                           ///< as eStargz layers, where that is possible
  std::span<const std::string> prefetch = {};  ///< what comes first in such layers, sorted
};

struct LayerParts {
  std::vector<image::ImageWriter::LayerResult> stored;  ///< empty: the layer is one part
  std::string whole;     ///< why it is that though larger than the limit
  std::string unsorted;  ///< why nothing of it comes first though wanted
  std::string ordinary;  ///< why it is not lazy though asked for

  /// Both as the user is told them; `layer` names it: "layer 3".
  std::vector<std::string> notices(const std::string& layer) const;
};

/// `tar` in parts of about `limit` bytes; nothing is written when it is one part.
Result<LayerParts> write_parts(Bytes tar, const std::string& name, std::uint64_t limit,
                               const LayerPacking& packing, image::ImageWriter& writer);

/// `tar` as one lazy layer, or `parts.ordinary`.
Result<void> write_lazy(Bytes tar, const std::string& name, const LayerPacking& packing,
                        image::ImageWriter& writer, LayerParts& parts);

/// `tar` as one ordinary layer.
Result<image::ImageWriter::LayerResult> write_whole(Bytes tar, const LayerPacking& packing,
                                                    image::ImageWriter& writer);

/// A usage error for more than kMaxLayers.
Result<void> check_layer_count(std::size_t layers, std::uint64_t limit);

/// `config` with one history entry for each layer again, when the layers became so many each; the
/// entries of the further parts say so. Nothing is made up where the history does not match.
text::Json split_history(const text::Json& config, const std::vector<std::size_t>& parts,
                         std::string_view option = "--split");

}  // namespace flense::slim
