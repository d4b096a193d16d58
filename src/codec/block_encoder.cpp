#include "codec/block_encoder.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/parallel.h"

namespace flense::codec {

namespace {

/// A block on its way: filled by the writer, packed by a worker, written by the writer again.
struct Job {
  std::vector<std::byte> input;  ///< context, then the block
  std::size_t context = 0;
  bool last = false;
  std::vector<std::byte> packed;
  std::optional<Error> error;
  bool done = false;

  Bytes before() const { return Bytes(input).first(context); }
  Bytes block() const { return Bytes(input).subspan(context); }
};

class BlockEncoder final : public Sink {
 public:
  BlockEncoder(Sink& to, BlockLayout layout, unsigned threads,
               const std::function<std::unique_ptr<BlockPacker>()>& packer,
               std::unique_ptr<BlockFraming> framing)
      : to_(to), layout_(layout), framing_(std::move(framing)), limit_(threads), queue_(threads) {
    current_ = fresh({});
    for (unsigned i = 0; i < threads; ++i)
      workers_.emplace_back([this, packer = packer()] { work(*packer); });
  }
  ~BlockEncoder() override { queue_.close(); }

  Result<void> write(Bytes bytes) override {
    while (!bytes.empty()) {
      const std::size_t room = layout_.block - current_->block().size();
      if (room == 0) {
        TRY_DO(submit(false));
        continue;
      }
      const Bytes part = bytes.first(std::min(room, bytes.size()));
      current_->input.insert(current_->input.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
    }
    return {};
  }

  Result<void> finish() override {
    TRY_DO(submit(true));
    while (!jobs_.empty()) TRY_DO(write_oldest());
    if (framing_) {
      TRY_DO(start());
      TRY_DO(framing_->end(to_));
    }
    return to_.finish();
  }

 private:
  /// A new job that begins with the context of `previous`, in the buffer of one that is through.
  std::unique_ptr<Job> fresh(Bytes previous) {
    auto job = spare_ ? std::move(spare_) : std::make_unique<Job>();
    const Bytes context = previous.last(std::min(previous.size(), layout_.context));
    job->input.reserve(layout_.context + layout_.block);
    job->input.assign(context.begin(), context.end());
    job->context = context.size();
    job->packed.clear();
    job->last = job->done = false;
    return job;
  }

  Result<void> submit(bool last) {
    if (jobs_.size() >= limit_) TRY_DO(write_oldest());
    std::unique_ptr<Job> next = last ? nullptr : fresh(Bytes(current_->input));
    current_->last = last;
    jobs_.push_back(std::move(current_));
    current_ = std::move(next);
    queue_.push(jobs_.back().get());
    return {};
  }

  Result<void> write_oldest() {
    std::unique_ptr<Job> job = std::move(jobs_.front());
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return job->done; });
    }
    jobs_.pop_front();
    if (job->error) return std::unexpected(std::move(*job->error));
    TRY_DO(start());
    if (framing_) framing_->passed(job->block());
    TRY_DO(to_.write(job->packed));
    spare_ = std::move(job);
    return {};
  }

  Result<void> start() {
    if (!framing_ || std::exchange(started_, true)) return {};
    return framing_->begin(to_);
  }

  void work(BlockPacker& packer) {
    while (const auto next = queue_.pop()) {
      Job& job = **next;
      if (auto outcome = packer.pack(job.before(), job.block(), job.last, job.packed); !outcome)
        job.error = std::move(outcome).error();
      const std::lock_guard lock(mutex_);
      job.done = true;
      changed_.notify_all();
    }
  }

  Sink& to_;
  BlockLayout layout_;
  std::unique_ptr<BlockFraming> framing_;
  std::size_t limit_;
  bool started_ = false;
  std::unique_ptr<Job> current_, spare_;
  std::mutex mutex_;  ///< guards Job::done
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Job>> jobs_;  ///< in the order of the stream, oldest first
  BoundedQueue<Job*> queue_;
  // Last: joined before anything that a worker uses goes.
  std::vector<std::jthread> workers_;
};

}  // namespace

std::unique_ptr<Sink> block_encoder(Sink& to, BlockLayout layout, unsigned threads,
                                    const std::function<std::unique_ptr<BlockPacker>()>& packer,
                                    std::unique_ptr<BlockFraming> framing) {
  return std::make_unique<BlockEncoder>(to, layout, std::max(1u, threads), packer,
                                        std::move(framing));
}

}  // namespace flense::codec
