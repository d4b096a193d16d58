// One status line on a terminal; silent elsewhere.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace flense {

/// Prints to stderr only when it is a terminal and not quiet. Thread-safe; redraws at most ten
/// times a second.
class Progress {
 public:
  Progress(bool enabled, unsigned columns) : enabled_(enabled), columns_(columns) {}
  ~Progress() { clear(); }
  /// Starts a step: "scanning layers", of `total` bytes (0 = unknown).
  void begin(std::string_view step, std::uint64_t total);
  void add(std::uint64_t bytes);
  void clear();

 private:
  void draw(bool force);

  bool enabled_;
  unsigned columns_;
  std::mutex mutex_;
  std::string step_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  std::chrono::steady_clock::time_point started_, drawn_;
  bool visible_ = false;
};

}  // namespace flense
