// Adapter over zlib, which packs gzip (RFC 1952); isal.cpp unpacks it.
#include <zlib.h>

#include "codec/block_encoder.h"
#include "codec/crc32.h"
#include "codec/decoders.h"

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
      return fail(Code::kEnvironment, "zlib has no memory");
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

/// RFC 1952, section 2.3: one member without time and name, so that equal input gives equal output.
class GzipFraming final : public BlockFraming {
 public:
  explicit GzipFraming(int level) : level_(level) {}

  Result<void> begin(Sink& to) override {
    // XFL as zlib sets it; operating system 3, Unix.
    const char effort = level_ == 9 ? 2 : level_ == 1 ? 4 : 0;
    const char header[] = {0x1f, static_cast<char>(0x8b), 8, 0, 0, 0, 0, 0, effort, 3};
    return to.write(as_bytes(std::string_view(header, sizeof header)));
  }
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

}  // namespace

Result<std::unique_ptr<Sink>> gzip_encoder(Sink& to, int level, unsigned threads) {
  if (level > Z_BEST_COMPRESSION || level < 0)
    return fail(Code::kUsage, "gzip has no compression level {}", level);
  const int used = level == 0 ? 6 : level;
  constexpr BlockLayout kLayout{.block = 1u << 20, .context = kWindow};
  return block_encoder(
      to, kLayout, threads, [used] { return std::make_unique<DeflatePacker>(used); },
      std::make_unique<GzipFraming>(used));
}

}  // namespace flense::codec
