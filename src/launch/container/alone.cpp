#include "launch/container/alone.h"

#include <cerrno>
#include <chrono>
#include <thread>

namespace flense::launch {

int once_alone(const std::function<int()>& call) {
  constexpr auto kLongest = std::chrono::seconds(5);
  constexpr auto kPause = std::chrono::microseconds(50);
  const auto until = std::chrono::steady_clock::now() + kLongest;
  while (call() != 0) {
    if (errno != EINVAL || std::chrono::steady_clock::now() > until) return errno;
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

}  // namespace flense::launch
