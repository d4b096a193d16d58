// Recompressed device code, kept in a scratch file from planning to writing: compressing it takes
// far longer than anything else, and is done once.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/result.h"

namespace flense::device {

/// What packing may take of memory at one time, by all who share a store: a thread at level 19
/// needs up to this much.
inline constexpr std::uint64_t kPackingMemory = 96U << 20;
inline constexpr unsigned kMostPackers = 16;

/// Lets as many tasks run at a time as their memory allows.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t total) : free_(total), total_(total) {}

  class Share {
   public:
    Share(MemoryBudget& budget, std::uint64_t size)
        : budget_(budget), size_(std::min(size, budget.total_)) {
      std::unique_lock lock(budget_.mutex_);
      budget_.changed_.wait(lock, [&] { return budget_.free_ >= size_; });
      budget_.free_ -= size_;
    }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() {
      const std::lock_guard lock(budget_.mutex_);
      budget_.free_ += size_;
      budget_.changed_.notify_all();
    }

   private:
    MemoryBudget& budget_;
    std::uint64_t size_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t free_, total_;
};

/// For several threads.
class FrameStore {
 public:
  /// A range of the store; empty where packing gave nothing.
  struct Frame {
    std::uint64_t offset = 0, size = 0;
  };

  /// Environment: no scratch file in `directory`. Packing ends with Code::kInterrupted once `stop`
  /// is requested.
  static Result<std::shared_ptr<FrameStore>> create(const std::filesystem::path& directory,
                                                    std::stop_token stop = {});
  bool stopped() const { return stop_.stop_requested(); }
  MemoryBudget& memory() { return memory_; }

  /// `key` names the input and how it was to be packed.
  std::optional<Frame> find(const std::string& key) const;
  Result<Frame> add(const std::string& key, Bytes frame);

  /// All that was added so far; none when that is nothing.
  Result<std::optional<MappedFile>> map() const;

 private:
  FrameStore(UniqueFd file, std::stop_token stop)
      : file_(std::move(file)), stop_(std::move(stop)) {}

  UniqueFd file_;
  std::stop_token stop_;
  MemoryBudget memory_{std::min(processor_count(), kMostPackers) * kPackingMemory};
  mutable std::mutex mutex_;
  std::uint64_t size_ = 0;
  std::map<std::string, Frame> frames_;
};

}  // namespace flense::device
