#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/hole_sink.h"
#include "image/layers/layer_walk.h"

namespace flense::image {

namespace {

constexpr std::size_t kMaxPeek = 4096;
constexpr std::size_t kBlock = 1u << 20;
/// Members up to this size are held in memory, larger ones spill to disk.
constexpr std::uint64_t kMaxBuffer = 64u << 20;

}  // namespace

/// Replays what peek() has taken, then goes on with the source.
struct EntryContent::Rest final : Source {
  Rest(Source& from, Progress* progress) : source(from), watched(progress) {}

  Result<Bytes> next(std::size_t max) override {
    if (used < held.size()) {
      const Bytes out = Bytes(held).subspan(used, std::min(max, held.size() - used));
      used += out.size();
      return out;
    }
    if (watched != nullptr) TRY_DO(watched->add(0));
    return source.next(max);
  }
  Bytes direct() const override { return held.empty() ? source.direct() : Bytes(); }

  Source& source;
  Progress* watched;
  std::vector<std::byte> held;
  std::size_t used = 0;
};

EntryContent::EntryContent(Source& source, std::uint64_t size, ContentScratch& scratch,
                           Progress* watched)
    : source_(source), size_(size), scratch_(scratch), watched_(watched) {}

Result<Bytes> EntryContent::peek(std::size_t count) {
  const std::size_t wanted = std::min(
      {count, kMaxPeek, static_cast<std::size_t>(std::min<std::uint64_t>(size_, kMaxPeek))});
  if (wanted == 0) return Bytes();
  if (!rest_) rest_ = std::make_shared<Rest>(source_, watched_);
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
  if (!rest_) rest_ = std::make_shared<Rest>(source_, watched_);
  return *rest_;
}

Result<Bytes> EntryContent::materialise() {
  if (size_ == 0) return Bytes();
  Source& from = stream();
  if (const Bytes direct = from.direct(); direct.size() >= size_)
    return direct.first(static_cast<std::size_t>(size_));
  return scratch_.hold(from, size_);
}

Result<Bytes> ContentScratch::hold(Source& from, std::uint64_t size) {
  if (size <= kMaxBuffer) return buffer(from, static_cast<std::size_t>(size));
  // Whoever rewrites a large file needs the memory for that.
  buffer_.reset();
  return spill(from, size);
}

Result<Bytes> ContentScratch::buffer(Source& from, std::size_t size) {
  // Memory that nobody has written to costs nothing.
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(kMaxBuffer);
  std::size_t filled = 0;
  while (filled < size) {
    TRY(const Bytes chunk, from.next(size - filled));
    if (chunk.empty()) return bad_input("content ends after {} of {} bytes", filled, size);
    std::memcpy(buffer_.get() + filled, chunk.data(), chunk.size());
    filled += chunk.size();
  }
  return Bytes(buffer_.get(), size);
}

Result<Bytes> ContentScratch::spill(Source& from, std::uint64_t size) {
  if (!file_) {
    TRY(file_, open_scratch(directory_));
  }
  HoleSink to(file_.get(), "a scratch file");
  std::uint64_t filled = 0;
  while (filled < size) {
    TRY(const Bytes chunk,
        from.next(static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, size - filled))));
    if (chunk.empty()) return bad_input("content ends after {} of {} bytes", filled, size);
    TRY_DO(with_hint(to.write(chunk), "choose a roomier scratch directory with --tmpdir"));
    filled += chunk.size();
  }
  TRY_DO(to.finish());
  if (mapped_.bytes().size() < size) {
    TRY(mapped_, MappedFile::map(file_.get(), "scratch file"));
  }
  return mapped_.bytes().first(static_cast<std::size_t>(size));
}

}  // namespace flense::image
