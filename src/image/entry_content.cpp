#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "image/layer_walk.h"

namespace flense::image {

namespace {

constexpr std::size_t kMaxPeek = 4096;
constexpr std::size_t kBlock = 1u << 20;
/// Members up to this size are held in memory, larger ones spill to disk.
constexpr std::uint64_t kMaxBuffer = 64u << 20;

}  // namespace

/// Replays what peek() has taken, then goes on with the source.
struct EntryContent::Rest final : Source {
  explicit Rest(Source& from) : source(from) {}

  Result<Bytes> next(std::size_t max) override {
    if (used < held.size()) {
      const Bytes out = Bytes(held).subspan(used, std::min(max, held.size() - used));
      used += out.size();
      return out;
    }
    return source.next(max);
  }
  Bytes direct() const override { return held.empty() ? source.direct() : Bytes(); }

  Source& source;
  std::vector<std::byte> held;
  std::size_t used = 0;
};

EntryContent::EntryContent(Source& source, std::uint64_t size, const std::filesystem::path& scratch)
    : source_(source), size_(size), scratch_(scratch) {}

Result<Bytes> EntryContent::peek(std::size_t count) {
  const std::size_t wanted = std::min(
      {count, kMaxPeek, static_cast<std::size_t>(std::min<std::uint64_t>(size_, kMaxPeek))});
  if (wanted == 0) return Bytes();
  if (!rest_) rest_ = std::make_shared<Rest>(source_);
  if (const Bytes direct = rest_->direct(); direct.size() >= wanted) return direct.first(wanted);
  while (rest_->held.size() < wanted) {
    TRY(const Bytes more, source_.next(wanted - rest_->held.size()));
    if (more.empty())
      return bad_input("content ends after {} of {} bytes", rest_->held.size(), size_);
    rest_->held.insert(rest_->held.end(), more.begin(), more.end());
  }
  return Bytes(rest_->held).first(wanted);
}

Source& EntryContent::stream() {
  if (!rest_) rest_ = std::make_shared<Rest>(source_);
  return *rest_;
}

Result<ContentView> EntryContent::materialise() {
  ContentView view;
  if (size_ == 0) return view;
  Source& from = stream();
  if (const Bytes direct = from.direct(); direct.size() >= size_) {
    view.bytes_ = direct.first(static_cast<std::size_t>(size_));
    return view;
  }
  if (size_ <= kMaxBuffer) {
    view.buffer_.resize(static_cast<std::size_t>(size_));
    std::size_t filled = 0;
    while (filled < view.buffer_.size()) {
      TRY(const Bytes chunk, from.next(view.buffer_.size() - filled));
      if (chunk.empty()) return bad_input("content ends after {} of {} bytes", filled, size_);
      std::memcpy(view.buffer_.data() + filled, chunk.data(), chunk.size());
      filled += chunk.size();
    }
    view.bytes_ = view.buffer_;
    return view;
  }
  TRY(const UniqueFd fd, open_scratch(scratch_));
  std::uint64_t filled = 0;
  while (filled < size_) {
    const std::uint64_t left = size_ - filled;
    TRY(const Bytes chunk,
        from.next(static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, left))));
    if (chunk.empty()) return bad_input("content ends after {} of {} bytes", filled, size_);
    TRY_DO(with_hint(write_fully(fd.get(), chunk, "a scratch file"),
                     "choose a roomier scratch directory with --tmpdir"));
    filled += chunk.size();
  }
  TRY(view.mapped_, MappedFile::map(fd.get(), "scratch file"));
  view.bytes_ = view.mapped_.bytes();
  return view;
}

}  // namespace flense::image
