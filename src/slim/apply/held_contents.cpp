#include "slim/apply/held_contents.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace flense::slim {

namespace {

constexpr std::size_t kBlock = 1u << 20;

/// A range of a file that is still being appended to.
class RangeSource final : public Source {
 public:
  RangeSource(int fd, std::uint64_t offset, std::uint64_t size)
      : fd_(fd), offset_(offset), left_(size), buffer_(std::min<std::uint64_t>(size, kBlock)) {}

  Result<Bytes> next(std::size_t max) override {
    const std::size_t want = std::min<std::uint64_t>({max, left_, buffer_.size()});
    if (want == 0) return Bytes();
    ssize_t got = 0;
    do {
      got = ::pread(fd_, buffer_.data(), want, static_cast<off_t>(offset_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) return system_error(errno, "cannot read a scratch file");
    if (got == 0) return fail(Code::kInternal, "a scratch file ends too early");
    offset_ += static_cast<std::uint64_t>(got);
    left_ -= static_cast<std::uint64_t>(got);
    return Bytes(buffer_).first(static_cast<std::size_t>(got));
  }

 private:
  int fd_;
  std::uint64_t offset_, left_;
  std::vector<std::byte> buffer_;
};

}  // namespace

Result<void> HeldContents::put(const std::string& name, codec::TarMember member, Source* content) {
  if (!file_) {
    TRY(file_, open_scratch(scratch_directory_));
  }
  FdSink sink(file_.get(), "scratch file");
  std::uint64_t size = 0;
  if (content != nullptr) {
    TRY(size, copy_all(*content, sink));
  }
  if (size != member.size)
    return bad_input("{} has {} bytes, its header says {}", member.name, size, member.size);
  const auto [at, fresh] = held_.try_emplace(name, Held{std::move(member), end_});
  if (!fresh) return fail(Code::kInternal, "two contents wait for the name {}", name);
  end_ += size;
  return {};
}

Result<HeldContents::Held> HeldContents::take(const std::string& name) {
  const auto found = held_.find(name);
  if (found == held_.end()) return fail(Code::kInternal, "no content waits for the name {}", name);
  Held out = std::move(found->second);
  held_.erase(found);
  return out;
}

std::unique_ptr<Source> HeldContents::open(const Held& held) const {
  return std::make_unique<RangeSource>(file_.get(), held.offset, held.member.size);
}

}  // namespace flense::slim
