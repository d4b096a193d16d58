// The parts that compression.h puts together; for that file alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/stream.h"

namespace flense::codec {

/// Runs `source` on a thread of its own, a few MiB ahead of the reader.
std::unique_ptr<Source> on_thread(std::unique_ptr<Source> source);

/// Pipes through a child process; its non-zero status is the stream's error.
Result<std::unique_ptr<Source>> piped_decoder(std::unique_ptr<Source> source,
                                              const std::vector<std::string>& argv);

std::unique_ptr<Source> gzip_decoder(std::unique_ptr<Source> source);
std::unique_ptr<Source> zstd_decoder(std::unique_ptr<Source> source);

std::unique_ptr<Sink> plain_encoder(Sink& to);
Result<std::unique_ptr<Sink>> gzip_encoder(Sink& to, int level);
Result<std::unique_ptr<Sink>> zstd_encoder(Sink& to, int level, unsigned threads);

}  // namespace flense::codec
