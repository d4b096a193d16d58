#include "codec/decoders.h"

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

#include "base/parallel.h"
#include "base/process.h"

namespace flense::codec {

namespace {

constexpr std::size_t kBlock = 1u << 20;
constexpr std::size_t kAhead = 4;

using Chunk = std::vector<std::byte>;

class ThreadedSource final : public Source {
 public:
  explicit ThreadedSource(std::unique_ptr<Source> from)
      : from_(std::move(from)), queue_(kAhead), worker_([this] { work(); }) {}
  ~ThreadedSource() override {
    // The worker may wait for room: closing the queue sends it home before the join.
    queue_.close();
  }

  Result<Bytes> next(std::size_t max) override {
    if (at_ == current_.size()) {
      if (ended_) return Bytes{};
      std::optional<Result<Chunk>> item = queue_.pop();
      if (!item || (item->has_value() && (*item)->empty())) {
        ended_ = true;
        return Bytes{};
      }
      TRY(current_, std::move(*item));
      at_ = 0;
    }
    const std::size_t count = std::min(max, current_.size() - at_);
    const Bytes out(current_.data() + at_, count);
    at_ += count;
    return out;
  }

 private:
  void work() {
    while (true) {
      Result<Bytes> chunk = from_->next(kBlock);
      const bool last = !chunk || chunk->empty();
      Result<Chunk> item = chunk ? Result<Chunk>(Chunk(chunk->begin(), chunk->end()))
                                 : Result<Chunk>(std::unexpected(std::move(chunk).error()));
      if (!queue_.push(std::move(item)) || last) break;
    }
  }

  std::unique_ptr<Source> from_;
  BoundedQueue<Result<Chunk>> queue_;
  Chunk current_;
  std::size_t at_ = 0;
  bool ended_ = false;
  std::jthread worker_;
};

class PipedDecoder final : public Source {
 public:
  PipedDecoder(std::unique_ptr<Source> from, std::unique_ptr<ChildProcess> child, std::string name)
      : from_(std::move(from)),
        child_(std::move(child)),
        name_(std::move(name)),
        out_(child_->stdout_fd(), name_),
        feeder_([this] { feed(); }) {}
  ~PipedDecoder() override {
    // Killing the child breaks the feeder's pipe, so that the join returns.
    if (!reaped_) child_->kill();
  }

  Result<Bytes> next(std::size_t max) override {
    if (reaped_) return Bytes{};
    TRY(const Bytes chunk, out_.next(max));
    if (!chunk.empty()) return chunk;
    feeder_.join();
    reaped_ = true;
    TRY(const int status, child_->wait());
    if (input_error_) return std::unexpected(std::move(*input_error_));
    if (status != 0)
      return bad_input("the gzip stream is corrupt or truncated ({} ended with status {})", name_,
                       status);
    return Bytes{};
  }

 private:
  void feed() {
    // A child that gives up early shows as EPIPE, not as a signal that kills us.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    const int fd = child_->stdin_fd();
    while (true) {
      Result<Bytes> chunk = from_->next(kBlock);
      if (!chunk) {
        input_error_ = std::move(chunk).error();
        break;
      }
      if (chunk->empty() || !write_fully(fd, *chunk, name_)) break;
    }
    child_->close_stdin();
  }

  std::unique_ptr<Source> from_;
  std::unique_ptr<ChildProcess> child_;
  std::string name_;
  FdSource out_;
  std::optional<Error> input_error_;
  bool reaped_ = false;
  std::jthread feeder_;
};

class PlainEncoder final : public Sink {
 public:
  explicit PlainEncoder(Sink& to) : to_(to) {}
  Result<void> write(Bytes bytes) override { return to_.write(bytes); }
  Result<void> finish() override { return to_.finish(); }

 private:
  Sink& to_;
};

}  // namespace

std::unique_ptr<Source> on_thread(std::unique_ptr<Source> source) {
  return std::make_unique<ThreadedSource>(std::move(source));
}

Result<std::unique_ptr<Source>> piped_decoder(std::unique_ptr<Source> source,
                                              const std::vector<std::string>& argv) {
  ChildProcess::Options options;
  options.pipe_stdin = true;
  options.pipe_stdout = true;
  TRY(auto child, ChildProcess::start(argv, options));
  return std::make_unique<PipedDecoder>(std::move(source), std::move(child), argv.front());
}

std::unique_ptr<Sink> plain_encoder(Sink& to) {
  return std::make_unique<PlainEncoder>(to);
}

}  // namespace flense::codec
