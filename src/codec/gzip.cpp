// Adapter over zlib (RFC 1952).
#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "codec/block_encoder.h"
#include "codec/crc32.h"
#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kBlock = 1u << 20;
constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip framing
constexpr int kRawWindow = -15;       // the largest window, no framing
constexpr std::size_t kWindow = 32u << 10;
constexpr std::byte kMagic0{0x1f}, kMagic1{0x8b};

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(std::unique_ptr<Source> from) : from_(std::move(from)) {
    // The checksum is computed here, faster.
    ready_ = inflateInit2(&stream_, kGzipWindow) == Z_OK && inflateValidate(&stream_, 0) == Z_OK;
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
    const auto* const out = reinterpret_cast<const std::byte*>(stream_.next_out);
    const uInt room = stream_.avail_out;
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input_.data()));
    stream_.avail_in = given;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    keep_tail(input_.first(given - stream_.avail_in));
    input_ = input_.subspan(given - stream_.avail_in);
    consumed_ += given - stream_.avail_in;
    sum_ = crc32(sum_, Bytes(out, room - stream_.avail_out));
    size_ += room - stream_.avail_out;
    if (status == Z_STREAM_END) {
      any_member_ = true;
      in_member_ = false;
      inflateReset(&stream_);
      return check_trailer();
    }
    if (status == Z_OK || status == Z_BUF_ERROR) return {};
    if (status == Z_MEM_ERROR) return fail(Code::kEnvironment, "zlib has no memory");
    return bad_input("the gzip stream is corrupt at offset {:#x}: {}", consumed_,
                     stream_.msg == nullptr ? "bad data" : stream_.msg);
  }

  /// The trailer of a member are the last bytes that inflate() takes for it.
  void keep_tail(Bytes taken) {
    taken = taken.last(std::min(taken.size(), tail_.size()));
    std::ranges::rotate(tail_, tail_.begin() + static_cast<std::ptrdiff_t>(taken.size()));
    std::ranges::copy(taken, tail_.end() - static_cast<std::ptrdiff_t>(taken.size()));
  }

  Result<void> check_trailer() {
    const char* wrong = nullptr;
    if (load_le<std::uint32_t>(tail_, 0) != std::exchange(sum_, 0)) wrong = "incorrect data check";
    if (load_le<std::uint32_t>(tail_, 4) != std::exchange(size_, 0) && wrong == nullptr)
      wrong = "incorrect length check";
    if (wrong == nullptr) return {};
    return bad_input("the gzip stream is corrupt at offset {:#x}: {}", consumed_, wrong);
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
  // Of the current member.
  std::uint32_t sum_ = 0;
  std::uint32_t size_ = 0;  ///< modulo 2^32, as the trailer has it
  std::array<std::byte, 8> tail_{};
  bool ready_ = false, in_member_ = false, any_member_ = false, done_ = false;
};

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

std::unique_ptr<Decoder> gzip_decoder(std::unique_ptr<Source> source) {
  return std::make_unique<GzipDecoder>(std::move(source));
}

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
