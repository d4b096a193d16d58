// One status line on a terminal, silent elsewhere; also where long-running work learns that it
// should stop.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flense {

/// Of a status line, each with the blanks before it; empty: not known.
struct ProgressFigures {
  std::string share, amount, rate, left;
};

/// The line for a terminal of so many columns: what says least is left out where it does not fit.
std::string fitting_line(std::string_view step, ProgressFigures figures, std::size_t columns);

/// Prints to stderr only when it is a terminal and not quiet. Thread-safe; redraws at most ten
/// times a second.
class Progress {
 public:
  Progress(bool enabled, unsigned columns, std::stop_token stop = {})
      : enabled_(enabled), columns_(columns), stop_(std::move(stop)) {}
  ~Progress() { clear(); }
  bool shown() const { return enabled_; }
  /// Starts a step: "scanning layers", of `total` bytes (0 = unknown).
  void begin(std::string_view step, std::uint64_t total);
  /// Fails with Code::kInterrupted once a stop was requested.
  Result<void> add(std::uint64_t bytes);
  void clear();

 private:
  void draw(bool force);

  bool enabled_;
  unsigned columns_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::string step_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  std::chrono::steady_clock::time_point started_, drawn_;
  bool visible_ = false;
};

}  // namespace flense
