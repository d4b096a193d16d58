// gzip and zstd as streams. Decoders cap nothing themselves: the caller bounds the output.
#pragma once

#include <memory>
#include <string_view>

#include "base/stream.h"
#include "codec/decoder.h"

namespace flense::codec {

enum class Compression { kNone, kGzip, kZstd };
std::string_view to_string(Compression compression);

/// Detected from the first bytes: 1f 8b, 28 b5 2f fd (and zstd skippable frames), else kNone.
Compression detect_compression(Bytes first_bytes);

/// Decodes `compression`; errors are bad input naming the offset. Multi-member gzip and
/// multi-frame zstd are one stream. Takes ownership of the compressed source. What follows the last
/// gzip member and is none is ignored, as gzip(1) does. For callers with a thread to spare: the
/// decoder works inside read().
Result<std::unique_ptr<Decoder>> open_decoder(std::unique_ptr<Source> compressed,
                                              Compression compression);

/// The same on a thread of its own, so that the consumer overlaps with it. Destroying the stream
/// early ends the thread as soon as the compressed source has answered the call it is in.
Result<std::unique_ptr<Source>> decompress(std::unique_ptr<Source> compressed,
                                           Compression compression);

/// Encoders; deterministic for equal input, level and version, whatever `threads` is.
struct EncodeOptions {
  int level = 0;         ///< 0 = default (zstd 3, gzip 6)
  unsigned threads = 1;  ///< for compression; about 20 MiB each, more at high zstd levels
};
Result<std::unique_ptr<Sink>> compress(Sink& to, Compression compression,
                                       const EncodeOptions& options);

}  // namespace flense::codec
