// ISA-L's igzip as a child process: it decodes faster than zlib, and is not to be had as a static
// library.
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/process.h"
#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kPipeBlock = 1u << 20;

class IgzipDecoder final : public Decoder {
 public:
  /// `fed` is false when the child reads the stream from a file of its own.
  IgzipDecoder(std::unique_ptr<Source> from, std::unique_ptr<ChildProcess> child, bool fed)
      : from_(std::move(from)), whole_(from_->direct()), child_(std::move(child)) {
    // Fewer switches between the processes; a refusal only costs speed.
    ::fcntl(child_->stdout_fd(), F_SETPIPE_SZ, kPipeBlock);
    if (!fed) {
      fed_ = whole_.size();
      return;
    }
    ::fcntl(child_->stdin_fd(), F_SETPIPE_SZ, kPipeBlock);
    feeder_ = std::jthread([this] { feed(); });
  }
  // Killing the child breaks the feeder's pipe, so that the join returns.
  ~IgzipDecoder() override { cancel(); }

  void cancel() override {
    const std::lock_guard lock(mutex_);
    child_->kill();
  }

  Result<std::size_t> read(MutableBytes out) override {
    if (replay_) return replay_->read(out);
    ssize_t got = 0;
    do {
      got = ::read(child_->stdout_fd(), out.data(), out.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return system_error(errno, "cannot read from igzip");
    produced_ += static_cast<std::uint64_t>(got);
    if (got > 0) return static_cast<std::size_t>(got);
    if (std::exchange(ended_, true)) return 0;
    if (feeder_.joinable()) feeder_.join();
    TRY(const int status, wait());
    if (input_error_) return std::unexpected(std::move(*input_error_));
    if (status == 0) return 0;
    return decode_again(out, status);
  }

 private:
  Result<int> wait() {
    // Its standard output has ended, so it is as good as gone; the lock keeps cancel() from
    // signalling a process number that is no longer ours.
    const std::lock_guard lock(mutex_);
    return child_->wait();
  }

  /// zlib names the offset, and decides where the two programs would differ.
  Result<std::size_t> decode_again(MutableBytes out, int status) {
    if (whole_.empty())
      return bad_input(
          "the gzip stream is corrupt or truncated, somewhere in its {} bytes "
          "(igzip ended with status {})",
          fed_, status);
    auto decoder = gzip_decoder(std::make_unique<MemorySource>(whole_));
    for (std::uint64_t skipped = 0; skipped < produced_;) {
      const std::uint64_t step = std::min<std::uint64_t>(out.size(), produced_ - skipped);
      TRY(const std::size_t got, decoder->read(out.first(static_cast<std::size_t>(step))));
      if (got == 0) return bad_input("the gzip stream is corrupt: igzip read beyond its end");
      skipped += got;
    }
    replay_ = std::move(decoder);
    return replay_->read(out);
  }

  void feed() {
    // A child that gives up early shows as EPIPE, not as a signal that kills us.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    bool open = true;
    while (true) {
      const Result<Bytes> chunk = from_->next(kPipeBlock);
      if (!chunk) {
        input_error_ = chunk.error();
        break;
      }
      if (chunk->empty()) break;
      fed_ += chunk->size();
      open = open && write_fully(child_->stdin_fd(), *chunk, "igzip").has_value();
      // A source in memory need not be read to its end; others may be hashed on the way.
      if (!open && !whole_.empty()) break;
    }
    child_->close_stdin();
  }

  std::unique_ptr<Source> from_;
  Bytes whole_;  ///< the compressed stream, when it lies in memory
  std::unique_ptr<ChildProcess> child_;
  std::mutex mutex_;  ///< between cancel() and wait()
  std::unique_ptr<Decoder> replay_;
  std::uint64_t produced_ = 0;
  bool ended_ = false;  ///< the child's output has
  // Of the feeder until it is joined.
  std::uint64_t fed_ = 0;
  std::optional<Error> input_error_;
  std::jthread feeder_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> igzip_decoder(std::unique_ptr<Source> source,
                                               const std::string& igzip, int file) {
  ChildProcess::Options options;
  const bool fed = file < 0 || source->direct().empty();
  options.pipe_stdin = fed;
  if (!fed) options.stdin_fd = file;
  options.pipe_stdout = true;
  options.discard_stderr = true;
  TRY(auto child, ChildProcess::start({igzip, "-d", "-c"}, options));
  return std::make_unique<IgzipDecoder>(std::move(source), std::move(child), fed);
}

}  // namespace flense::codec
