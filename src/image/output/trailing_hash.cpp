#include "image/output/trailing_hash.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "codec/sha256.h"

namespace flense::image {

namespace {

constexpr std::size_t kChunk = 256U << 10;

}  // namespace

TrailingHash::TrailingHash(int fd, std::string name)
    : fd_(fd), name_(std::move(name)), thread_([this] { result_ = work(); }) {}

TrailingHash::~TrailingHash() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  more_.notify_one();
  thread_.join();
}

void TrailingHash::grow(std::uint64_t bytes) {
  bool enough = false;
  {
    const std::lock_guard lock(mutex_);
    enough = size_ / kChunk != (size_ + bytes) / kChunk;
    size_ += bytes;
  }
  if (enough) more_.notify_one();
}

Result<std::string> TrailingHash::digest() {
  {
    const std::lock_guard lock(mutex_);
    complete_ = true;
  }
  more_.notify_one();
  thread_.join();
  return std::move(result_);
}

Result<std::string> TrailingHash::work() {
  std::vector<std::byte> buffer(kChunk);
  codec::Sha256 hash;
  std::uint64_t done = 0;
  while (true) {
    std::uint64_t size = 0;
    {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [&] { return size_ - done >= kChunk || complete_ || stopped_; });
      if (stopped_) return std::string();
      size = size_;
    }
    if (size == done) return hash.digest();
    while (done < size) {
      const std::size_t wanted = std::min<std::uint64_t>(kChunk, size - done);
      const ssize_t got = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error(errno, "cannot read " + name_);
      if (got == 0)
        return fail(Code::kEnvironment, "{} became shorter while it was written", name_);
      hash.update(Bytes(buffer).first(static_cast<std::size_t>(got)));
      done += static_cast<std::uint64_t>(got);
    }
  }
}

}  // namespace flense::image
