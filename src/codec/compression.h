// gzip and zstd as streams. Decoders cap nothing themselves: the caller bounds the output.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/parallel.h"
#include "base/stream.h"
#include "codec/decoder.h"

namespace flense::codec {

enum class Compression { kNone, kGzip, kZstd };
std::string_view to_string(Compression compression);

/// Told by the first bytes: 1f 8b, 28 b5 2f fd (and zstd skippable frames), else kNone.
Compression detect_compression(Bytes first_bytes);

/// igzip decodes three times as fast as zlib, and its output takes a copy through a pipe: with one
/// processor, which also hashes, that costs what it saves.
constexpr std::uint64_t igzip_worth_from(unsigned processors) {
  return processors > 1 ? 4u << 20 : 0;
}

struct DecodeOptions {
  /// Pipe gzip through `igzip` when it is on PATH and the input is at least this long; 0 = never.
  std::uint64_t igzip_from_bytes = igzip_worth_from(processor_count());
  std::uint64_t input_bytes = 0;  ///< size of the compressed stream where known
  /// The file that is the compressed stream, where there is one: saves a copy through a pipe.
  std::filesystem::path input_file = {};
};

/// Decodes `compression`; errors are bad input naming the offset. Multi-member gzip and
/// multi-frame zstd are one stream. Takes ownership of the compressed source. What follows the last
/// gzip member and is none is ignored, as gzip(1) does. For callers with a thread to spare: the
/// decoder works inside read(), or waits there for the igzip child.
Result<std::unique_ptr<Decoder>> open_decoder(std::unique_ptr<Source> compressed,
                                              Compression compression,
                                              const DecodeOptions& options);

/// The same on a thread of its own, so that the consumer overlaps with it. Destroying the stream
/// early ends thread and child as soon as the compressed source has answered the call it is in.
Result<std::unique_ptr<Source>> decompress(std::unique_ptr<Source> compressed,
                                           Compression compression, const DecodeOptions& options);

/// Encoders; deterministic for equal input, level and version, whatever `threads` is.
struct EncodeOptions {
  int level = 0;         ///< 0 = default (zstd 3, gzip 6)
  unsigned threads = 1;  ///< that pack; some 20 MiB each, more at high zstd levels
};
Result<std::unique_ptr<Sink>> compress(Sink& to, Compression compression,
                                       const EncodeOptions& options);

}  // namespace flense::codec
