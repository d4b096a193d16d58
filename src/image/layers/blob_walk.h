// The walk over the bytes of one tar layer, wherever they come from.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "image/layers/layer_walk.h"

namespace flense::image {

struct LayerBlob {
  std::unique_ptr<Source> raw;  ///< as stored
  codec::Compression compression = codec::Compression::kNone;
  std::string name;         ///< for messages: "layer 3 of app.tar"
  std::string blob_digest;  ///< expected digest of the stored bytes; empty = unknown
  std::string diff_id;      ///< expected digest of the tar; empty = unknown
  /// Takes the check of the digests, which then waits for the hashing instead of the walk; empty:
  /// the walk does.
  std::function<void(std::function<Result<void>()>)> later;
};

Result<WalkResult> walk_blob(LayerBlob blob, const WalkOptions& options, const LayerVisitor& visit);

/// The uncompressed bytes of a layer, verified at the end: an error is returned by the call that
/// reaches it.
Result<WalkResult> unpack_blob(LayerBlob blob, const WalkOptions& options, Sink& to);

}  // namespace flense::image
