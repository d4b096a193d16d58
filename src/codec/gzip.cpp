// Adapter over zlib (RFC 1952).
#include <zlib.h>

#include <algorithm>

#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kBlock = 1u << 20;

class GzipDecoder final : public Source {
 public:
  explicit GzipDecoder(std::unique_ptr<Source> from)
      : from_(std::move(from)), out_(std::make_unique<std::byte[]>(kBlock)) {
    // 15 + 16: maximum window, gzip header.
    inflateInit2(&stream_, 15 + 16);
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }

  Result<Bytes> next(std::size_t max) override {
    if (done_) return Bytes{};
    stream_.next_out = reinterpret_cast<Bytef*>(out_.get());
    stream_.avail_out = static_cast<uInt>(std::min(max, kBlock));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      TRY_DO(refill());
      if (stream_.avail_in == 0) {
        // Between members is the one place where the input may end.
        if (!member_open_ && any_member_) {
          done_ = true;
          return Bytes{};
        }
        return bad_input("the gzip stream is truncated at offset {:#x}", consumed_);
      }
      if (!member_open_) {
        // gzip(1) ignores zero padding and trailing garbage after the last member; so do we.
        if (any_member_ && *stream_.next_in != 0x1f) {
          done_ = true;
          return Bytes{};
        }
        member_open_ = true;
      }
      const uInt before = stream_.avail_in;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      consumed_ += before - stream_.avail_in;
      if (status == Z_STREAM_END) {
        any_member_ = true;
        member_open_ = false;
        inflateReset(&stream_);
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        return bad_input("the gzip stream is corrupt at offset {:#x}: {}", consumed_,
                         stream_.msg == nullptr ? "bad data" : stream_.msg);
      }
    }
    return Bytes(out_.get(), wanted - stream_.avail_out);
  }

 private:
  Result<void> refill() {
    if (stream_.avail_in > 0) return {};
    TRY(const Bytes chunk, from_->next(kBlock));
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(chunk.data()));
    stream_.avail_in = static_cast<uInt>(chunk.size());
    return {};
  }

  std::unique_ptr<Source> from_;
  std::unique_ptr<std::byte[]> out_;
  z_stream stream_{};
  std::uint64_t consumed_ = 0;
  bool member_open_ = false, any_member_ = false, done_ = false;
};

class GzipEncoder final : public Sink {
 public:
  GzipEncoder(Sink& to, int level) : to_(to), out_(std::make_unique<std::byte[]>(kBlock)) {
    // zlib writes mtime 0 and no name by itself: equal input gives equal output.
    ok_ = deflateInit2(&stream_, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~GzipEncoder() override { deflateEnd(&stream_); }
  bool ok() const { return ok_; }

  Result<void> write(Bytes bytes) override {
    while (!bytes.empty()) {
      const Bytes part = bytes.first(std::min<std::size_t>(bytes.size(), 1u << 30));
      bytes = bytes.subspan(part.size());
      stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(part.data()));
      stream_.avail_in = static_cast<uInt>(part.size());
      TRY_DO(drain(Z_NO_FLUSH));
    }
    return {};
  }
  Result<void> finish() override {
    TRY_DO(drain(Z_FINISH));
    return to_.finish();
  }

 private:
  Result<void> drain(int flush) {
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out_.get());
      stream_.avail_out = kBlock;
      deflate(&stream_, flush);
      TRY_DO(to_.write(Bytes(out_.get(), kBlock - stream_.avail_out)));
    } while (stream_.avail_out == 0);
    return {};
  }

  Sink& to_;
  std::unique_ptr<std::byte[]> out_;
  z_stream stream_{};
  bool ok_ = false;
};

}  // namespace

std::unique_ptr<Source> gzip_decoder(std::unique_ptr<Source> source) {
  return std::make_unique<GzipDecoder>(std::move(source));
}

Result<std::unique_ptr<Sink>> gzip_encoder(Sink& to, int level) {
  auto encoder = std::make_unique<GzipEncoder>(to, level == 0 ? 6 : level);
  if (!encoder->ok()) return fail(Code::kUsage, "gzip has no compression level {}", level);
  return encoder;
}

}  // namespace flense::codec
