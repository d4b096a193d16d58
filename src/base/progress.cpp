#include "base/progress.h"

#include <cstdio>

#include "base/format.h"
#include "base/printable.h"

namespace flense {

namespace {

/// "0:07", "1:02:33".
std::string clock_text(std::uint64_t seconds) {
  const std::uint64_t minutes = seconds / 60;
  if (minutes < 60) return fmt::format("{}:{:02}", minutes, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, seconds % 60);
}

}  // namespace

std::string fitting_line(std::string_view step, ProgressFigures figures, std::size_t columns) {
  const auto width = [&] {
    return display_width(figures.share) + display_width(figures.amount) +
           display_width(figures.rate) + display_width(figures.left);
  };
  // A terminal may go on to the next line when its last column is written.
  const std::size_t room = columns > 1 ? columns - 1 : SIZE_MAX;
  for (std::string* least : {&figures.rate, &figures.amount, &figures.left}) {
    if (display_width(step) + width() <= room) break;
    // A step without a share would say nothing at all of how far it is.
    if (least != &figures.amount || !figures.share.empty()) least->clear();
  }
  return shorten_words(step, room - std::min(room, width())) + figures.share + figures.amount +
         figures.rate + figures.left;
}

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
  if (stop_.stop_requested()) return interrupted();
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
  std::string share, amount, rate, left;
  if (total_ > 0) {
    const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    share = fmt::format("  {:3.0f} %", part * 100);
    amount = fmt::format("  {} of {}", human_bytes(done), human_bytes(total_));
  } else if (done > 0) {
    amount = "  " + human_bytes(done);
  }
  const double seconds = std::chrono::duration<double>(now - started_).count();
  if (done > 0 && seconds > 0.5)
    rate = fmt::format(
        "  {}/s", human_bytes(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)));
  // The rate so far says little before some of it is done.
  if (total_ > done && done > 0 && seconds > 2) {
    const double rest = seconds * static_cast<double>(total_ - done) / static_cast<double>(done);
    constexpr double kDay = 86400;
    if (rest < kDay) left = "  " + clock_text(static_cast<std::uint64_t>(rest)) + " left";
  }
  const std::string line = fitting_line(step_, {share, amount, rate, left}, columns_);
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  visible_ = true;
}

}  // namespace flense
