#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace flense {

unsigned processor_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

Result<void> parallel_for(std::size_t count, unsigned workers,
                          const std::function<Result<void>(std::size_t)>& fn) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  Result<void> outcome;
  std::exception_ptr thrown;  // such as that memory is short, which the caller's thread reports
  auto work = [&] {
    try {
      while (!stop.load(std::memory_order_relaxed)) {
        const std::size_t index = next.fetch_add(1);
        if (index >= count) return;
        Result<void> one = fn(index);
        if (one) continue;
        std::lock_guard lock(mutex);
        if (!stop.exchange(true)) outcome = std::move(one);
      }
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!stop.exchange(true)) thrown = std::current_exception();
    }
  };
  const std::size_t threads = std::min<std::size_t>(std::max(1u, workers), count);
  std::vector<std::jthread> pool;
  try {
    for (std::size_t i = 1; i < threads; ++i) pool.emplace_back(work);
  } catch (const std::system_error&) {
    // Where no more threads are allowed, those that are there do the work.
  }
  work();
  pool.clear();
  if (thrown) std::rethrow_exception(thrown);
  return outcome;
}

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& fn) {
  parallel_for(count, processor_count(), [&](std::size_t index) -> Result<void> {
    fn(index);
    return {};
  });
}

}  // namespace flense
