#include "base/stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"

namespace flense {

namespace {
constexpr std::size_t kBlock = 1u << 20;
/// Most files of /proc and /sys end in it; for those the kernel allocates and clears as much memory
/// as is asked for.
constexpr std::size_t kFirstBlock = 16u << 10;
}  // namespace

Result<Bytes> MemorySource::next(std::size_t max) {
  Bytes out = rest_.first(std::min(max, rest_.size()));
  rest_ = rest_.subspan(out.size());
  return out;
}

FdSource::FdSource(int fd, std::string name)
    : fd_(fd),
      name_(std::move(name)),
      // Pages that a small file does not fill are never touched.
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kBlock)) {}
FdSource::~FdSource() = default;

Result<Bytes> FdSource::next(std::size_t max) {
  if (begin_ == end_) {
    // A short read is usually the last; some kernel files need room for their whole content at
    // once.
    const std::size_t room = end_ < kFirstBlock ? kFirstBlock : kBlock;
    const ssize_t got = ::read(fd_, buffer_.get(), room);
    // Only an InterruptWatch interrupts.
    if (got < 0 && errno == EINTR) return interrupted();
    if (got < 0) return system_error(errno, "cannot read " + name_);
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
  }
  const std::size_t count = std::min(max, end_ - begin_);
  Bytes out(buffer_.get() + begin_, count);
  begin_ += count;
  return out;
}

Result<void> FdSink::write(Bytes bytes) {
  return write_fully(fd_, bytes, name_);
}

Result<void> StringSink::write(Bytes bytes) {
  text_ += as_text(bytes);
  return {};
}

Result<void> CountingSink::write(Bytes bytes) {
  count_ += bytes.size();
  return next_.write(bytes);
}

Result<std::uint64_t> copy_all(Source& from, Sink& to) {
  std::uint64_t total = 0;
  while (true) {
    TRY(Bytes chunk, from.next(kBlock));
    if (chunk.empty()) return total;
    TRY_DO(to.write(chunk));
    total += chunk.size();
  }
}

Result<std::string> read_all(Source& from, std::uint64_t limit, std::string_view what) {
  std::string out;
  while (true) {
    TRY(Bytes chunk, from.next(kBlock));
    if (chunk.empty()) return out;
    if (chunk.size() > limit - out.size())
      return bad_input("{} is larger than the {} bytes allowed", what, limit);
    out += as_text(chunk);
  }
}

}  // namespace flense
