// Jobs on several threads whose results are delivered in the order of submission.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/parallel.h"

namespace flense::codec {

/// For one thread that hands in and takes back. Destruction waits for the jobs that are begun.
template <class Job>
class OrderedJobs {
 public:
  using Worker = std::function<void(Job&)>;

  /// `worker` is called once for each thread, on the caller's.
  OrderedJobs(unsigned threads, const std::function<Worker()>& worker)
      : limit_(threads), queue_(threads) {
    for (unsigned i = 0; i < threads; ++i)
      threads_.emplace_back([this, work = worker()] { run(work); });
  }
  OrderedJobs(const OrderedJobs&) = delete;
  OrderedJobs& operator=(const OrderedJobs&) = delete;
  ~OrderedJobs() { queue_.close(); }

  bool empty() const { return jobs_.empty(); }
  /// As many are on their way as there are threads: pop() comes before the next push().
  bool full() const { return jobs_.size() >= limit_; }
  void push(std::unique_ptr<Job> job) {
    jobs_.push_back(std::make_unique<Entry>(std::move(job)));
    queue_.push(jobs_.back().get());
  }
  /// The oldest, done.
  std::unique_ptr<Job> pop() {
    const std::unique_ptr<Entry> oldest = std::move(jobs_.front());
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return oldest->done; });
    }
    jobs_.pop_front();
    return std::move(oldest->job);
  }

 private:
  struct Entry {
    explicit Entry(std::unique_ptr<Job> given) : job(std::move(given)) {}
    std::unique_ptr<Job> job;
    bool done = false;
  };

  void run(const Worker& work) {
    while (const auto next = queue_.pop()) {
      work(*(*next)->job);
      const std::lock_guard lock(mutex_);
      (*next)->done = true;
      changed_.notify_all();
    }
  }

  std::size_t limit_;
  std::mutex mutex_;  ///< guards Entry::done
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Entry>> jobs_;  ///< oldest first
  BoundedQueue<Entry*> queue_;
  // Last member: joined before anything that a worker uses is destroyed.
  std::vector<std::jthread> threads_;
};

}  // namespace flense::codec
