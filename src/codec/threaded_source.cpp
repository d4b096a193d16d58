#include <optional>
#include <thread>
#include <utility>

#include "base/parallel.h"
#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kBufferSize = 1u << 20;
/// Two on the way, one being filled, one being read: 4 MiB for a stream.
constexpr std::size_t kBuffers = 4;

struct Buffer {
  std::unique_ptr<std::byte[]> data;
  std::size_t size = 0;
};

class ThreadedSource final : public Source {
 public:
  explicit ThreadedSource(std::unique_ptr<Decoder> decoder)
      : decoder_(std::move(decoder)), full_(kBuffers), empty_(kBuffers) {
    for (std::size_t i = 0; i < kBuffers; ++i) empty_.push(Buffer{});
    worker_ = std::jthread([this] { work(); });
  }
  ~ThreadedSource() override {
    // The worker may wait for a buffer or for room.
    full_.close();
    empty_.close();
  }

  Result<Bytes> next(std::size_t max) override {
    if (at_ == current_.size) {
      if (current_.data) empty_.push(std::exchange(current_, {}));
      at_ = 0;
      std::optional<Buffer> buffer = full_.pop();
      if (!buffer) {
        // Every later call fails here too: an error is not forgotten.
        if (error_) return std::unexpected(*error_);
        return Bytes{};
      }
      current_ = std::move(*buffer);
    }
    const std::size_t count = std::min(max, current_.size - at_);
    const Bytes out(current_.data.get() + at_, count);
    at_ += count;
    return out;
  }

 private:
  void work() {
    if (auto outcome = fill(); !outcome) error_ = std::move(outcome).error();
    // Publishes error_ to the reader, which looks at it only after the queue is empty.
    full_.close();
  }

  Result<void> fill() {
    while (true) {
      std::optional<Buffer> buffer = empty_.pop();
      if (!buffer) return {};
      if (!buffer->data) buffer->data = std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
      buffer->size = 0;
      Result<std::size_t> got = 1;
      while (got && *got > 0 && buffer->size < kBufferSize) {
        got = decoder_->read(
            MutableBytes(buffer->data.get() + buffer->size, kBufferSize - buffer->size));
        if (got) buffer->size += *got;
      }
      const bool last = !got || *got == 0;
      // What was decoded before an error is still handed out.
      if (buffer->size > 0 && !full_.push(std::move(*buffer))) return {};
      if (!got) return std::unexpected(std::move(got).error());
      if (last) return {};
    }
  }

  std::unique_ptr<Decoder> decoder_;
  BoundedQueue<Buffer> full_, empty_;
  std::optional<Error> error_;
  Buffer current_;
  std::size_t at_ = 0;
  std::jthread worker_;
};

}  // namespace

std::unique_ptr<Source> on_thread(std::unique_ptr<Decoder> decoder) {
  return std::make_unique<ThreadedSource>(std::move(decoder));
}

}  // namespace flense::codec
