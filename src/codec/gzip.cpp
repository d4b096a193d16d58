// Adapter over zlib (RFC 1952).
#include <zlib.h>

#include <algorithm>

#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kBlock = 1u << 20;
constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip framing
constexpr std::byte kMagic0{0x1f}, kMagic1{0x8b};

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(std::unique_ptr<Source> from) : from_(std::move(from)) {
    ready_ = inflateInit2(&stream_, kGzipWindow) == Z_OK;
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }

  Result<std::size_t> read(MutableBytes out) override {
    if (!ready_) return fail(Code::kEnvironment, "zlib has no memory");
    if (done_) return 0;
    const auto wanted = static_cast<uInt>(std::min(out.size(), kBlock));
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = wanted;
    while (stream_.avail_out == wanted) {
      TRY_DO(refill());
      if (!in_member_) {
        TRY(const bool more, at_member());
        if (!more) return 0;
        in_member_ = true;
      }
      if (input_.empty())
        return bad_input("the gzip stream is truncated: it ends at offset {:#x}, inside a member",
                         consumed_);
      TRY_DO(inflate_some());
    }
    return wanted - stream_.avail_out;
  }

 private:
  /// Between members: whether another one follows. As gzip(1) does, anything but a member is
  /// padding and is ignored, though read, for those who hash the stream.
  Result<bool> at_member() {
    if (!any_member_) return true;
    bool more = !input_.empty() && input_[0] == kMagic0;
    if (more && input_.size() == 1) {
      // The magic may be cut by a buffer's end.
      TRY(input_, from_->next(kBlock));
      more = input_.empty() || input_[0] == kMagic1;
      ++consumed_;
      if (more) {
        // inflate() has to see the first byte too.
        Bytef first = static_cast<Bytef>(kMagic0);
        stream_.next_in = &first;
        stream_.avail_in = 1;
        inflate(&stream_, Z_NO_FLUSH);
      }
    } else if (more) {
      more = input_[1] == kMagic1;
    }
    if (more) return true;
    done_ = true;
    while (!input_.empty()) {
      TRY(input_, from_->next(kBlock));
    }
    return false;
  }

  Result<void> inflate_some() {
    const auto given = static_cast<uInt>(input_.size());
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input_.data()));
    stream_.avail_in = given;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    input_ = input_.subspan(given - stream_.avail_in);
    consumed_ += given - stream_.avail_in;
    if (status == Z_STREAM_END) {
      any_member_ = true;
      in_member_ = false;
      inflateReset(&stream_);
      return {};
    }
    if (status == Z_OK || status == Z_BUF_ERROR) return {};
    if (status == Z_MEM_ERROR) return fail(Code::kEnvironment, "zlib has no memory");
    return bad_input("the gzip stream is corrupt at offset {:#x}: {}", consumed_,
                     stream_.msg == nullptr ? "bad data" : stream_.msg);
  }

  Result<void> refill() {
    if (input_.empty()) {
      TRY(input_, from_->next(kBlock));
    }
    return {};
  }

  std::unique_ptr<Source> from_;
  Bytes input_;  ///< of the source, not yet consumed
  z_stream stream_{};
  std::uint64_t consumed_ = 0;
  bool ready_ = false, in_member_ = false, any_member_ = false, done_ = false;
};

class GzipEncoder final : public Sink {
 public:
  GzipEncoder(Sink& to, int level) : to_(to), out_(std::make_unique<std::byte[]>(kBlock)) {
    // zlib writes mtime 0 and no name by itself: equal input gives equal output.
    ok_ = deflateInit2(&stream_, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK;
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
      const std::size_t count = kBlock - stream_.avail_out;
      if (count > 0) TRY_DO(to_.write(Bytes(out_.get(), count)));
    } while (stream_.avail_out == 0);
    return {};
  }

  Sink& to_;
  std::unique_ptr<std::byte[]> out_;
  z_stream stream_{};
  bool ok_ = false;
};

}  // namespace

std::unique_ptr<Decoder> gzip_decoder(std::unique_ptr<Source> source) {
  return std::make_unique<GzipDecoder>(std::move(source));
}

Result<std::unique_ptr<Sink>> gzip_encoder(Sink& to, int level) {
  auto encoder = std::make_unique<GzipEncoder>(to, level == 0 ? 6 : level);
  if (!encoder->ok()) return fail(Code::kUsage, "gzip has no compression level {}", level);
  return encoder;
}

}  // namespace flense::codec
