// A fixed number of workers over an index range or a bounded queue between two stages.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "base/result.h"

namespace flense {

/// Usable processors: sched_getaffinity, at least 1.
unsigned processor_count();

/// Runs fn(0..count-1) on up to `workers` threads; the first error wins and stops the hand-out of
/// further indices. What fn throws is thrown here.
Result<void> parallel_for(std::size_t count, unsigned workers,
                          const std::function<Result<void>(std::size_t)>& fn);

/// The same on every usable processor, for what cannot fail.
void parallel_for(std::size_t count, const std::function<void(std::size_t)>& fn);

/// Bounded hand-over between threads. close() wakes everybody; pop() then drains and ends.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  /// False when the queue was closed (the consumer gave up).
  bool push(T value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || items_.size() < capacity_; });
    if (closed_) return false;
    items_.push_back(std::move(value));
    changed_.notify_all();
    return true;
  }
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    T value = std::move(items_.front());
    items_.pop_front();
    changed_.notify_all();
    return value;
  }
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace flense
