// The eStargz form of a layer: a tar in gzip members, so that each chunk of each file can be read
// on its own, with a table of contents at the end. Other readers see an ordinary gzip layer.
// https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"

namespace flense::codec {

/// Annotations of the layer's descriptor.
inline constexpr const char* kTocDigestAnnotation = "containerd.io/snapshot/stargz/toc.digest";
inline constexpr const char* kTarSizeAnnotation = "io.containers.estargz.uncompressed-size";

/// Whether a member of this normalised path speaks of the very form of the layer that it is in:
/// the table of contents and the landmarks of the prefetch.
bool is_estargz_file(std::string_view path);

/// Which members of an archive the layer gets, by position, in the order in which they shall stand.
struct EstargzOrder {
  std::vector<std::uint32_t> members;
  /// So many of them are fetched before the container starts; 0: none.
  std::size_t prefetch = 0;
};

struct EstargzOptions {
  int level = 0;  ///< of gzip; 0: the default
  unsigned threads = 1;
  std::filesystem::path scratch_directory;  ///< for the table of contents
};

struct EstargzLayer {
  std::string diff_id;     ///< of the tar with what was added to it
  std::string toc_digest;  ///< "sha256:…" of the table of contents
  std::uint64_t unpacked_bytes = 0;
};

/// Writes members of `tar`, whose headers and contents stay byte for byte, and finishes `to`. The
/// result is the same for any number of threads. Sparse members, members of unknown types and names
/// that are no UTF-8 cannot be written so; `name` is for messages.
Result<EstargzLayer> write_estargz(Bytes tar, const std::string& name, const EstargzOrder& order,
                                   const EstargzOptions& options, Sink& to);

}  // namespace flense::codec
