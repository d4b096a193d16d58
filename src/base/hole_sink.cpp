#include "base/hole_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace flense {

namespace {

/// Smaller holes would save little and fragment the file.
constexpr std::size_t kHole = 64u << 10;

bool is_zero(Bytes bytes) {
  return bytes.front() == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

HoleSink::HoleSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {
  struct stat status{};
  if (::fstat(fd_, &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
}

Result<void> HoleSink::write(Bytes bytes) {
  std::size_t begin = 0;  // start of the bytes that are neither written nor a hole
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t block =
        std::min<std::size_t>(kHole - (position_ + at) % kHole, bytes.size() - at);
    const Bytes part = bytes.subspan(at, block);
    if (is_zero(part)) {
      TRY_DO(put(bytes.subspan(begin, at - begin), position_ + begin));
      TRY_DO(leave_hole(part, position_ + at));
      begin = at + block;
    }
    at += block;
  }
  TRY_DO(put(bytes.subspan(begin), position_ + begin));
  position_ += bytes.size();
  return {};
}

Result<void> HoleSink::finish() {
  if (size_ < position_ && ::ftruncate(fd_, static_cast<off_t>(position_)) != 0)
    return system_error(errno, "cannot write " + name_);
  return {};
}

Result<void> HoleSink::put(Bytes bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error(errno, "cannot write " + name_);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    at += static_cast<std::uint64_t>(count);
    size_ = std::max(size_, at);
  }
  return {};
}

Result<void> HoleSink::leave_hole(Bytes zeros, std::uint64_t at) {
  if (at >= size_) return {};
  if (::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                  static_cast<off_t>(zeros.size())) == 0)
    return {};
  return put(zeros, at);
}

}  // namespace flense
