#include "base/progress.h"

#include <cstdio>

#include "base/format.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace flense {

namespace {

/// "0:07", "1:02:33".
std::string clock_text(std::uint64_t seconds) {
  const std::uint64_t minutes = seconds / 60;
  if (minutes < 60) return fmt::format("{}:{:02}", minutes, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, seconds % 60);
}

}  // namespace

void Progress::begin(std::string_view step, std::uint64_t total) {
  if (!enabled_) return;
  std::lock_guard lock(mutex_);
  step_ = printable(step);
  total_ = total;
  done_ = 0;
  started_ = std::chrono::steady_clock::now();
  drawn_ = {};
  draw(true);
}

Result<void> Progress::add(std::uint64_t bytes) {
  if (stop_.stop_requested()) return fail(Code::kInterrupted, "interrupted");
  if (!enabled_) return {};
  done_ += bytes;
  if (!mutex_.try_lock()) return {};
  std::lock_guard lock(mutex_, std::adopt_lock);
  draw(false);
  return {};
}

void Progress::clear() {
  if (!enabled_) return;
  std::lock_guard lock(mutex_);
  if (visible_) std::fputs("\r\x1b[K", stderr);
  visible_ = false;
}

void Progress::draw(bool force) {
  const auto now = std::chrono::steady_clock::now();
  if (!force && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const std::uint64_t done = done_;
  std::string line = step_;
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    line +=
        fmt::format("  {:3.0f} %  {} of {}", share * 100, human_bytes(done), human_bytes(total_));
  } else if (done > 0) {
    line += "  " + human_bytes(done);
  }
  const double seconds = std::chrono::duration<double>(now - started_).count();
  if (done > 0 && seconds > 0.5)
    line += fmt::format(
        "  {}/s", human_bytes(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)));
  // The rate so far says little before some of it is done.
  if (total_ > done && done > 0 && seconds > 2) {
    const double left = seconds * static_cast<double>(total_ - done) / static_cast<double>(done);
    constexpr double kDay = 86400;
    if (left < kDay) line += "  " + clock_text(static_cast<std::uint64_t>(left)) + " left";
  }
  if (columns_ > 1 && line.size() > columns_ - 1) line.resize(columns_ - 1);
  while (!is_utf8(line)) line.pop_back();
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  visible_ = true;
}

}  // namespace flense
