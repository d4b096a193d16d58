// A layer on its way to its reader: unpacked on one thread, hashed on another.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/parallel.h"
#include "base/progress.h"
#include "base/stream.h"
#include "codec/decoder.h"

namespace flense::image {

/// The blocks that the decoder fills are the ones that are hashed and read; they go round, since
/// fresh megabytes would cost page faults. Destruction stops all threads early.
class LayerPump final : public Source {
 public:
  struct Options {
    bool hash = true;
    std::uint64_t max_bytes = 0;  ///< more is an error
    Progress* progress = nullptr;
  };
  LayerPump(std::unique_ptr<codec::Decoder> decoder, const Options& options);

  Result<Bytes> next(std::size_t max) override;
  /// After the end of the stream, with Options::hash.
  const std::string& digest() const { return digest_; }
  std::uint64_t total() const { return total_; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> data;
    std::size_t size = 0;
    Bytes bytes() const { return {data.get(), size}; }
  };
  /// Has the threads end soon. The last member, so that its destructor is the first to run: also
  /// when the constructor could start one thread and not the other.
  struct Stop {
    LayerPump& pump;
    ~Stop();
  };
  Result<void> unpack();
  void hash();

  std::unique_ptr<codec::Decoder> decoder_;
  Options options_;
  BoundedQueue<Block> spare_, unpacked_, hashed_;
  BoundedQueue<Block>& ready_;  ///< the last of the queues that are used
  // Written before the queue that leads to the reader is closed, read after it has run dry.
  std::optional<Error> error_;
  std::uint64_t total_ = 0;
  std::string digest_;
  // Of the reader.
  Block current_;
  std::size_t used_ = 0;
  std::jthread unpacker_, hasher_;
  Stop stop_{*this};
};

}  // namespace flense::image
