// Adapter over libzstd (RFC 8878).
#include <zstd.h>

#include <algorithm>
#include <string_view>

#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kBlock = 1u << 20;
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
    if (!context_) return fail(Code::kEnvironment, "zstd has no memory");
    ZSTD_outBuffer out{target.data(), target.size(), 0};
    while (out.pos == 0) {
      bool ended = false;
      if (in_.pos == in_.size) {
        consumed_ += in_.size;
        TRY(const Bytes chunk, from_->next(kBlock));
        in_ = {chunk.data(), chunk.size(), 0};
        ended = chunk.empty();
        // No frame at all is no stream; between frames is where it may end.
        if (ended && pending_ == 0 && consumed_ > 0) return 0;
      }
      // Without input it hands out what it still holds.
      const std::size_t before = in_.pos;
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0)
        return bad_input("the zstd stream is corrupt at offset {:#x}: {}", consumed_ + before,
                         ZSTD_getErrorName(left));
      if (ended && out.pos == 0)
        return bad_input("the zstd stream is truncated: it ends at offset {:#x}, inside a frame",
                         consumed_);
      pending_ = left;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<Source> from_;
  std::unique_ptr<ZSTD_DCtx, FreeDecoder> context_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  std::size_t pending_ = 0;  ///< 0 between frames
  std::uint64_t consumed_ = 0;
};

class ZstdEncoder final : public Sink {
 public:
  explicit ZstdEncoder(Sink& to)
      : to_(to), context_(ZSTD_createCCtx()), out_(std::make_unique<std::byte[]>(kBlock)) {}

  bool configure(int level, unsigned threads) {
    if (!context_) return false;
    // Always at least one worker: the multi-threaded frame layout is the same for any number of
    // workers, so the digest does not depend on the machine.
    return ok(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level)) &&
           ok(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1)) && workers(threads);
  }

  Result<void> write(Bytes bytes) override { return drive(bytes, ZSTD_e_continue); }
  Result<void> finish() override {
    TRY_DO(drive({}, ZSTD_e_end));
    return to_.finish();
  }

 private:
  /// A static libzstd may be built without threads; it then compresses on the caller's.
  bool workers(unsigned threads) {
    const int count = static_cast<int>(std::max(1u, threads));
    return ok(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_nbWorkers, count)) ||
           ok(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_nbWorkers, 0));
  }
  static bool ok(std::size_t status) { return ZSTD_isError(status) == 0; }

  Result<void> drive(Bytes bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      ZSTD_outBuffer out{out_.get(), kBlock, 0};
      const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      if (!ok(left))
        return fail(Code::kEnvironment, "zstd cannot compress: {}", ZSTD_getErrorName(left));
      if (out.pos > 0) TRY_DO(to_.write(Bytes(out_.get(), out.pos)));
      const bool done = directive == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (done) return {};
    }
  }

  Sink& to_;
  std::unique_ptr<ZSTD_CCtx, FreeEncoder> context_;
  std::unique_ptr<std::byte[]> out_;
};

}  // namespace

std::unique_ptr<Decoder> zstd_decoder(std::unique_ptr<Source> source) {
  return std::make_unique<ZstdDecoder>(std::move(source));
}

Result<std::unique_ptr<Sink>> zstd_encoder(Sink& to, int level, unsigned threads) {
  if (level > ZSTD_maxCLevel())
    return fail(Code::kUsage, "zstd has no compression level {}", level);
  auto encoder = std::make_unique<ZstdEncoder>(to);
  if (!encoder->configure(level == 0 ? 3 : level, threads))
    return fail(Code::kUsage, "zstd does not take compression level {}", level);
  return encoder;
}

}  // namespace flense::codec
