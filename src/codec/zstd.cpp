// Adapter over libzstd (RFC 8878).
#include <zstd.h>

#include <algorithm>
#include <string_view>

#include "codec/block_encoder.h"
#include "codec/decoders.h"
#include "codec/zstd_frame.h"

namespace flense::codec {

namespace {

constexpr std::size_t kFrameBlock = 1u << 20;
/// 128 MiB of window, what `zstd --long=27` writes; more would let a layer claim our memory.
constexpr int kWindowLogMax = 27;

struct FreeDecoder {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
struct FreeEncoder {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(std::unique_ptr<Source> from)
      : from_(std::move(from)), context_(ZSTD_createDCtx()) {
    if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  }

  Result<std::size_t> read(MutableBytes target) override {
    if (!context_) return fail(Code::kEnvironment, "zstd is out of memory");
    ZSTD_outBuffer out{target.data(), target.size(), 0};
    while (out.pos == 0) {
      bool ended = false;
      if (in_.pos == in_.size) {
        consumed_ += in_.size;
        TRY(const Bytes chunk, from_->next(kFrameBlock));
        in_ = {chunk.data(), chunk.size(), 0};
        ended = chunk.empty();
        // No frame at all is not a stream; the input may end only between frames.
        if (ended && pending_ == 0 && consumed_ > 0) return 0;
      }
      if (pending_ == 0 && in_.pos < in_.size) TRY_DO(check_frame_start());
      // Without input it hands out what it still holds.
      const std::size_t before = in_.pos;
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0)
        return bad_input("the zstd stream is corrupt at offset {:#x}: {}", consumed_ + before,
                         ZSTD_getErrorName(left));
      if (ended && out.pos == 0)
        return cut_off("the zstd stream is truncated: it ends at offset {:#x}, inside a frame",
                       consumed_);
      pending_ = left;
    }
    return out.pos;
  }

 private:
  /// libzstd may be built to read the formats from before RFC 8878, whose streams it does not
  /// check as strictly. The first byte tells a frame (0x28) and a skippable one (0x50 to 0x5f).
  Result<void> check_frame_start() const {
    const auto first = static_cast<const std::uint8_t*>(in_.src)[in_.pos];
    if (first == 0x28 || (first & 0xf0) == 0x50) return {};
    return bad_input("the zstd stream is corrupt at offset {:#x}: no frame begins with {:#04x}",
                     consumed_ + in_.pos, first);
  }

  std::unique_ptr<Source> from_;
  std::unique_ptr<ZSTD_DCtx, FreeDecoder> context_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  std::size_t pending_ = 0;  ///< 0 between frames
  std::uint64_t consumed_ = 0;
};

/// Frames of their own, one after another: a reader sees one stream (RFC 8878, section 3.1).
class FramePacker final : public BlockPacker {
 public:
  explicit FramePacker(int level) : context_(ZSTD_createCCtx()) {
    if (!context_) return;
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Result<void> pack(Bytes /*before*/, Bytes block, bool /*last*/,
                    std::vector<std::byte>& out) override {
    if (!context_) return fail(Code::kEnvironment, "zstd is out of memory");
    out.resize(ZSTD_compressBound(block.size()));
    const std::size_t size =
        ZSTD_compress2(context_.get(), out.data(), out.size(), block.data(), block.size());
    if (ZSTD_isError(size) != 0)
      return fail(Code::kEnvironment, "zstd cannot compress: {}", ZSTD_getErrorName(size));
    out.resize(size);
    return {};
  }

 private:
  std::unique_ptr<ZSTD_CCtx, FreeEncoder> context_;
};

}  // namespace

std::optional<std::size_t> zstd_frame_size(Bytes bytes) {
  if (bytes.size() < 4 || load_le<std::uint32_t>(bytes, 0) != ZSTD_MAGICNUMBER) return std::nullopt;
  const std::size_t size = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) return std::nullopt;
  return size;
}

std::unique_ptr<Decoder> zstd_decoder(std::unique_ptr<Source> source) {
  return std::make_unique<ZstdDecoder>(std::move(source));
}

Result<std::unique_ptr<Sink>> zstd_encoder(Sink& to, int level, unsigned threads) {
  if (level > ZSTD_maxCLevel() || level < ZSTD_minCLevel())
    return fail(Code::kUsage, "zstd has no compression level {}", level);
  const int used = level == 0 ? 3 : level;
  // The tables of the slow levels take about 60 MiB a thread.
  constexpr int kSlowLevel = 12;
  if (used > kSlowLevel) threads = std::min(threads, 2U);
  // Several times the window of the fast levels, so that starting afresh costs little.
  constexpr BlockLayout kLayout{.block = 8u << 20, .context = 0};
  return block_encoder(
      to, kLayout, threads, [used] { return std::make_unique<FramePacker>(used); }, nullptr);
}

}  // namespace flense::codec
