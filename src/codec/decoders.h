// The parts that compression.h puts together; for that header only.
#pragma once

#include <memory>

#include "base/stream.h"
#include "codec/decoder.h"

namespace flense::codec {

/// Runs the decoder on a thread of its own, a few MiB ahead of the reader.
std::unique_ptr<Source> on_thread(std::unique_ptr<Decoder> decoder);

std::unique_ptr<Decoder> gzip_decoder(std::unique_ptr<Source> source);
std::unique_ptr<Decoder> zstd_decoder(std::unique_ptr<Source> source);

Result<std::unique_ptr<Sink>> gzip_encoder(Sink& to, int level, unsigned threads);
Result<std::unique_ptr<Sink>> zstd_encoder(Sink& to, int level, unsigned threads);

}  // namespace flense::codec
