#include "image/sources/spool.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "codec/compression.h"

namespace flense::image {

namespace {

constexpr std::size_t kSniff = 16;
constexpr std::size_t kSpoolBlock = 1u << 20;
/// Decompression stops before the scratch file system is full.
constexpr std::uint64_t kReserve = 64u << 20;

/// A prefix already read, then the rest of a stream that somebody else owns.
class PrefixedSource final : public Source {
 public:
  PrefixedSource(std::vector<std::byte> prefix, Source& rest)
      : prefix_(std::move(prefix)), rest_(rest) {}
  Result<Bytes> next(std::size_t max) override {
    if (used_ == prefix_.size()) return rest_.next(max);
    const Bytes out = Bytes(prefix_).subspan(used_, std::min(max, prefix_.size() - used_));
    used_ += out.size();
    return out;
  }

 private:
  std::vector<std::byte> prefix_;
  std::size_t used_ = 0;
  Source& rest_;
};

Result<void> check_space(int fd, std::uint64_t written) {
  struct statvfs status{};
  if (::fstatvfs(fd, &status) != 0) return {};
  if (std::uint64_t{status.f_bavail} * status.f_frsize > kReserve) return {};
  return fail(Code::kEnvironment, "the scratch directory is full after {}", human_bytes(written))
      .hint("choose a roomier one with --tmpdir");
}

}  // namespace

Result<MappedFile> spool(Source& from, const std::string& name,
                         const std::filesystem::path& scratch) {
  std::vector<std::byte> prefix;
  while (prefix.size() < kSniff) {
    TRY(const Bytes chunk, from.next(kSniff - prefix.size()));
    if (chunk.empty()) break;
    prefix.insert(prefix.end(), chunk.begin(), chunk.end());
  }
  const codec::Compression compression = codec::detect_compression(prefix);
  std::unique_ptr<Source> source = std::make_unique<PrefixedSource>(std::move(prefix), from);
  if (compression != codec::Compression::kNone) {
    TRY(source, codec::decompress(std::move(source), compression));
  }
  TRY(const UniqueFd fd, open_scratch(scratch));
  std::uint64_t written = 0, checked = 0;
  while (true) {
    TRY(const Bytes chunk, source->next(kSpoolBlock));
    if (chunk.empty()) break;
    TRY_DO(with_hint(write_fully(fd.get(), chunk, "a scratch file"),
                     "choose a roomier scratch directory with --tmpdir"));
    written += chunk.size();
    if (written - checked >= (256u << 20)) {
      checked = written;
      TRY_DO(check_space(fd.get(), written));
    }
  }
  return MappedFile::map(fd.get(), name);
}

}  // namespace flense::image
