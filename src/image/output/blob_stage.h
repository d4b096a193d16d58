// A directory in which the blobs of an output collect, each under its digest.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "image/model/image.h"
#include "image/output/writer.h"

namespace flense::image {

class BlobStage {
 public:
  /// `directory` exists and is ours.
  explicit BlobStage(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// A sink whose blob lands in the directory on finish(). Thread-safe.
  Result<std::unique_ptr<ImageWriter::LayerSink>> begin(codec::Compression compression,
                                                        const codec::EncodeOptions& options);
  Result<ImageWriter::LayerResult> write_estargz(Bytes tar, const std::string& name,
                                                 const codec::EstargzOrder& order,
                                                 const codec::EncodeOptions& options);
  /// Takes a layer over, as ImageWriter::copy_layer() does for layouts.
  Result<ImageWriter::LayerResult> take_layer(const Image& from, std::size_t index);
  /// Links, clones or copies a blob; copies are verified against the digest. `name` is for
  /// messages.
  Result<void> adopt(StoredBlob blob, const std::string& digest, const std::string& name);
  /// A small document; returns its digest.
  Result<std::string> put(std::string_view text);

  std::filesystem::path path(std::string_view digest) const;
  bool has(std::string_view digest) const;

 private:
  std::filesystem::path temporary();

  std::filesystem::path directory_;
  std::atomic<unsigned> counter_ = 0;
};

/// A stored layer as it stands in a manifest; one without a digest is hashed.
Result<ImageWriter::LayerResult> describe_layer(const Image& from, std::size_t index);

/// The layer of an input that is no tar (Image::entries()) as a deterministic tar.
Result<void> pack_entries(const Image& from, Sink& to);

}  // namespace flense::image
