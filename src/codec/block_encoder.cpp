#include "codec/block_encoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "codec/ordered_jobs.h"

namespace flense::codec {

namespace {

/// A block on its way: filled by the writer, packed by a worker, written by the writer again.
struct Job {
  std::vector<std::byte> input;  ///< context, then the block
  std::size_t context = 0;
  bool last = false;
  std::vector<std::byte> packed;
  std::optional<Error> error;

  Bytes before() const { return Bytes(input).first(context); }
  Bytes block() const { return Bytes(input).subspan(context); }
};

class BlockEncoder final : public Sink {
 public:
  BlockEncoder(Sink& to, BlockLayout layout, unsigned threads,
               const std::function<std::unique_ptr<BlockPacker>()>& packer,
               std::unique_ptr<BlockFraming> framing)
      : to_(to), layout_(layout), framing_(std::move(framing)), jobs_(threads, [&packer] {
          return
              [packer = std::shared_ptr<BlockPacker>(packer())](Job& job) { pack(*packer, job); };
        }) {
    current_ = fresh({});
  }

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
    job->last = false;
    return job;
  }

  Result<void> submit(bool last) {
    if (jobs_.full()) TRY_DO(write_oldest());
    std::unique_ptr<Job> next = last ? nullptr : fresh(Bytes(current_->input));
    current_->last = last;
    jobs_.push(std::move(current_));
    current_ = std::move(next);
    return {};
  }

  Result<void> write_oldest() {
    std::unique_ptr<Job> job = jobs_.pop();
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

  static void pack(BlockPacker& packer, Job& job) {
    if (auto outcome = packer.pack(job.before(), job.block(), job.last, job.packed); !outcome)
      job.error = std::move(outcome).error();
  }

  Sink& to_;
  BlockLayout layout_;
  std::unique_ptr<BlockFraming> framing_;
  bool started_ = false;
  std::unique_ptr<Job> current_, spare_;
  OrderedJobs<Job> jobs_;
};

}  // namespace

std::unique_ptr<Sink> block_encoder(Sink& to, BlockLayout layout, unsigned threads,
                                    const std::function<std::unique_ptr<BlockPacker>()>& packer,
                                    std::unique_ptr<BlockFraming> framing) {
  return std::make_unique<BlockEncoder>(to, layout, std::max(1u, threads), packer,
                                        std::move(framing));
}

}  // namespace flense::codec
