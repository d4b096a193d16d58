// Outputs that appear whole or not at all: OCI layout, OCI archive, docker-archive, directory,
// squashfs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "codec/compression.h"
#include "codec/estargz.h"
#include "image/layers/unpack_limit.h"
#include "image/model/image.h"

namespace flense::image {

enum class OutputForm { kOciLayout, kOciArchive, kDockerArchive, kDirectory, kSquashfs };

struct OutputSpec {
  OutputForm form = OutputForm::kOciLayout;
  std::filesystem::path path;
  std::string tag;  ///< reference name: "app:slim"; may be empty
  // Of a directory.
  UnpackLimit limit = {};
  Progress* progress = nullptr;  ///< ends it when a stop was requested
};

/// "oci:DIR[:TAG]", "oci-archive:F.tar[:TAG]", "docker-archive:F.tar[:NAME]", "dir:DIR",
/// "squashfs:FILE"; a bare
/// path by its look: *.tar -> docker-archive, else OCI layout. `tag`, when given, wins over the
/// suffix.
Result<OutputSpec> parse_output(std::string_view text, std::string_view tag);

/// Collects blobs in a staging directory beside the output, then writes manifest and index.
class ImageWriter {
 public:
  /// An existing output is an environment error.
  static Result<std::unique_ptr<ImageWriter>> create(const OutputSpec& spec);
  ImageWriter() = default;
  ImageWriter(const ImageWriter&) = delete;
  ImageWriter& operator=(const ImageWriter&) = delete;
  virtual ~ImageWriter() = default;

  /// A sink for one new layer: give it the uncompressed tar; it compresses, hashes both sides,
  /// stores. Several layers may be written at the same time from different threads.
  struct LayerResult {
    Descriptor blob;
    std::string diff_id;
    std::uint64_t unpacked_bytes = 0;
  };
  class LayerSink : public Sink {
   public:
    /// After finish().
    virtual const LayerResult& result() const = 0;
  };
  virtual Result<std::unique_ptr<LayerSink>> begin_layer(codec::Compression compression,
                                                         const codec::EncodeOptions& options) = 0;
  /// A new layer in the eStargz form out of members of `tar`, with the annotations that belong to
  /// it; for outputs that have a manifest to hold them.
  virtual Result<LayerResult> write_estargz(Bytes tar, const std::string& name,
                                            const codec::EstargzOrder& order,
                                            const codec::EncodeOptions& options);
  /// Takes a layer over unchanged (hard link, reflink or copy of the blob where possible), with its
  /// annotations. Its `unpacked_bytes` is known for uncompressed layers only, else 0. The layer of
  /// a directory or squashfs input is packed into a new uncompressed layer. `from` must outlive the
  /// writer.
  virtual Result<LayerResult> copy_layer(const Image& from, std::size_t index) = 0;
  /// Writes config, manifest, index; fsyncs; renames. `config` is the new configuration with
  /// diff_ids and history already set. Returns the manifest's digest; for directories, which have
  /// no manifest, the empty string.
  virtual Result<std::string> commit(const text::Json& config, const text::Json& annotations,
                                     const std::vector<LayerResult>& layers) = 0;
  /// What could not be written as it was (device nodes, owners) and similar; after commit().
  const std::vector<std::string>& notices() const { return notices_; }

 protected:
  std::vector<std::string> notices_;
};

}  // namespace flense::image
