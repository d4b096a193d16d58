// Adapter over zlib, which compresses gzip (RFC 1952); isal.cpp decompresses it.
#include <zlib.h>

#include <algorithm>

#include "codec/block_encoder.h"
#include "codec/crc32.h"
#include "codec/decoders.h"
#include "codec/gzip_member.h"

namespace flense::codec {

namespace {

constexpr int kRawWindow = -15;  // the largest window, no framing
constexpr std::size_t kWindow = 32u << 10;

/// Pieces of one raw deflate stream: each sees the window before it and ends on a byte boundary.
class DeflatePacker final : public BlockPacker {
 public:
  explicit DeflatePacker(int level) {
    ok_ = deflateInit2(&stream_, level, Z_DEFLATED, kRawWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~DeflatePacker() override { deflateEnd(&stream_); }

  Result<void> pack(Bytes before, Bytes block, bool last, std::vector<std::byte>& out) override {
    if (!ok_ || deflateReset(&stream_) != Z_OK)
      return fail(Code::kEnvironment, "zlib is out of memory");
    if (!before.empty())
      deflateSetDictionary(&stream_, reinterpret_cast<const Bytef*>(before.data()),
                           static_cast<uInt>(before.size()));
    // The bound does not count the empty block that ends a piece.
    out.resize(deflateBound(&stream_, static_cast<uLong>(block.size())) + 16);
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(block.data()));
    stream_.avail_in = static_cast<uInt>(block.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int status = deflate(&stream_, last ? Z_FINISH : Z_SYNC_FLUSH);
    if (status != (last ? Z_STREAM_END : Z_OK) || stream_.avail_in != 0 || stream_.avail_out == 0)
      return fail(Code::kInternal, "zlib did not take a block whole (status {})", status);
    out.resize(out.size() - stream_.avail_out);
    return {};
  }

 private:
  z_stream stream_{};
  bool ok_ = false;
};

/// RFC 1952, section 2.3: without time and name, so that equal input gives equal output.
std::string member_header(int level) {
  // XFL as zlib sets it; operating system 3, Unix.
  const char effort = level == 9 ? 2 : level == 1 ? 4 : 0;
  return {0x1f, static_cast<char>(0x8b), 8, 0, 0, 0, 0, 0, effort, 3};
}

/// One member around all blocks.
class GzipFraming final : public BlockFraming {
 public:
  explicit GzipFraming(int level) : level_(level) {}

  Result<void> begin(Sink& to) override { return to.write(as_bytes(member_header(level_))); }
  void passed(Bytes block) override {
    sum_ = crc32(sum_, block);
    size_ += static_cast<std::uint32_t>(block.size());
  }
  Result<void> end(Sink& to) override {
    std::byte trailer[8];
    store_le<std::uint32_t>(trailer, 0, sum_);
    store_le<std::uint32_t>(trailer, 4, size_);
    return to.write(trailer);
  }

 private:
  int level_;
  std::uint32_t sum_ = 0;
  std::uint32_t size_ = 0;  ///< modulo 2^32, as the trailer wants it
};

/// zlib's counters have 32 bits.
constexpr std::size_t kMostPart = 1u << 30;

}  // namespace

struct GzipMemberPacker::State {
  z_stream stream{};
  bool ok = false;
  int level = 0;
};

GzipMemberPacker::GzipMemberPacker(int level) : state_(std::make_unique<State>()) {
  state_->level = level;
  state_->ok =
      deflateInit2(&state_->stream, level, Z_DEFLATED, kRawWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}
GzipMemberPacker::~GzipMemberPacker() {
  deflateEnd(&state_->stream);
}

Result<void> GzipMemberPacker::pack(std::span<const Bytes> parts, std::vector<std::byte>& out) {
  z_stream& stream = state_->stream;
  if (!state_->ok || deflateReset(&stream) != Z_OK)
    return fail(Code::kEnvironment, "zlib is out of memory");
  std::size_t size = 0;
  for (const Bytes part : parts) size += part.size();
  if (size > kMostPart) return fail(Code::kInternal, "a gzip member of {} bytes at once", size);
  const std::string header = member_header(state_->level);
  out.resize(header.size() + deflateBound(&stream, static_cast<uLong>(size)));
  std::ranges::copy(as_bytes(header), out.begin());
  stream.next_out = reinterpret_cast<Bytef*>(out.data() + header.size());
  stream.avail_out = static_cast<uInt>(out.size() - header.size());
  std::uint32_t sum = 0;
  for (const Bytes part : parts) {
    sum = crc32(sum, part);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(part.data()));
    stream.avail_in = static_cast<uInt>(part.size());
    // zlib would report an empty call that does not end the stream as an error.
    if (!part.empty() && (deflate(&stream, Z_NO_FLUSH) != Z_OK || stream.avail_in != 0))
      return fail(Code::kInternal, "zlib did not take a part of a gzip member");
  }
  stream.avail_in = 0;
  if (const int status = deflate(&stream, Z_FINISH); status != Z_STREAM_END)
    return fail(Code::kInternal, "zlib did not end a gzip member (status {})", status);
  out.resize(out.size() - stream.avail_out + 8);
  store_le<std::uint32_t>(out, out.size() - 8, sum);
  store_le<std::uint32_t>(out, out.size() - 4, static_cast<std::uint32_t>(size));
  return {};
}

int gzip_level(int level) {
  return level == 0 ? 6 : level;
}

Result<std::unique_ptr<Sink>> gzip_encoder(Sink& to, int level, unsigned threads) {
  if (level > Z_BEST_COMPRESSION || level < 0)
    return fail(Code::kUsage, "gzip has no compression level {}", level);
  const int used = gzip_level(level);
  constexpr BlockLayout kLayout{.block = 1u << 20, .context = kWindow};
  return block_encoder(
      to, kLayout, threads, [used] { return std::make_unique<DeflatePacker>(used); },
      std::make_unique<GzipFraming>(used));
}

}  // namespace flense::codec
