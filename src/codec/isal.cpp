// Adapter over ISA-L, which decompresses gzip (RFC 1952) twice as fast as zlib.
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>

#include "codec/crc32.h"
#include "codec/decoders.h"

namespace flense::codec {

namespace {

constexpr std::size_t kIsalBlock = 1u << 20;
constexpr std::byte kMagic0{0x1f}, kMagic1{0x8b};

std::string_view isal_says(int status) {
  switch (status) {
    case ISAL_INVALID_BLOCK:
      return "invalid block";
    case ISAL_INVALID_SYMBOL:
      return "invalid symbol";
    case ISAL_INVALID_LOOKBACK:
      return "a match starts before the data";
    case ISAL_INVALID_WRAPPER:
      return "no gzip header";
    case ISAL_UNSUPPORTED_METHOD:
      return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM:
      return "incorrect checksum or length";
    default:
      return "bad data";
  }
}

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(std::unique_ptr<Source> from)
      : from_(std::move(from)), state_(std::make_unique<inflate_state>()) {
    isal_inflate_init(state_.get());
    begin_member();
  }

  Result<std::size_t> read(MutableBytes out) override {
    const auto wanted = static_cast<std::uint32_t>(std::min(out.size(), kIsalBlock));
    state_->next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_->avail_out = wanted;
    while (state_->avail_out == wanted && at_ != At::kEnd) {
      TRY_DO(refill());
      switch (at_) {
        case At::kBetween: {
          TRY_DO(between_members());
          break;
        }
        case At::kHeader: {
          TRY_DO(read_header(input_));
          break;
        }
        default:
          TRY_DO(inflate());
      }
    }
    return wanted - state_->avail_out;
  }

 private:
  enum class At { kHeader, kBody, kBetween, kEnd };

  void begin_member() {
    isal_inflate_reset(state_.get());
    // Nothing of the header is kept, but reading it may take several calls. The trailer is
    // verified.
    isal_gzip_header_init(&header_);
    state_->crc_flag = ISAL_GZIP_NO_HDR_VER;
    at_ = At::kHeader;
  }

  /// Whether another member follows. As gzip(1) does, anything but a member is padding and is
  /// ignored, though read, for those who hash the stream.
  Result<void> between_members() {
    bool more = !input_.empty() && input_[0] == kMagic0;
    if (more && input_.size() == 1) {
      // The end of a buffer may split the magic number.
      TRY(input_, from_->next(kIsalBlock));
      more = input_.empty() || input_[0] == kMagic1;
      if (more) {
        begin_member();
        Bytes first(&kMagic0, 1);
        return read_header(first);
      }
    } else if (more && input_[1] == kMagic1) {
      begin_member();
      return {};
    }
    at_ = At::kEnd;
    while (!input_.empty()) {
      TRY(input_, from_->next(kIsalBlock));
    }
    return {};
  }

  Result<void> read_header(Bytes& input) {
    if (input.empty()) return truncated();
    TRY(const int status,
        feed(input, [&] { return isal_read_gzip_header(state_.get(), &header_); }));
    if (status == ISAL_DECOMP_OK) at_ = At::kBody;
    return {};
  }

  Result<void> inflate() {
    // Also without input: the library then hands out what it still holds.
    const std::size_t given = input_.size();
    const std::uint32_t room = state_->avail_out;
    TRY_DO(feed(input_, [&] { return isal_inflate(state_.get()); }));
    if (state_->block_state == ISAL_BLOCK_FINISH)
      at_ = At::kBetween;
    else if (state_->avail_out == room && input_.size() == given)
      return given == 0 ? truncated()
                        : bad_input("the gzip stream is corrupt at offset {:#x}", consumed_);
    return {};
  }

  /// Lets `step` take what it can from the front of `input`.
  template <typename Step>
  Result<int> feed(Bytes& input, const Step& step) {
    state_->next_in =
        const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(input.data()));
    state_->avail_in = static_cast<std::uint32_t>(input.size());
    const int status = step();
    // If a symbol close to the end is invalid, the library counts a byte that it never read.
    const std::size_t left = state_->avail_in > input.size() ? 0 : state_->avail_in;
    const std::size_t taken = input.size() - left;
    input = input.subspan(taken);
    consumed_ += taken;
    if (status >= 0) return status;
    return bad_input("the gzip stream is corrupt at offset {:#x}: {}", consumed_,
                     isal_says(status));
  }

  Failure truncated() const {
    return cut_off("the gzip stream is truncated: it ends at offset {:#x}, inside a member",
                   consumed_);
  }

  Result<void> refill() {
    if (input_.empty() && !ended_) {
      TRY(input_, from_->next(kIsalBlock));
      ended_ = input_.empty();
    }
    return {};
  }

  std::unique_ptr<Source> from_;
  std::unique_ptr<inflate_state> state_;
  isal_gzip_header header_{};
  Bytes input_;  ///< of the source, not yet consumed
  std::uint64_t consumed_ = 0;
  At at_ = At::kHeader;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Decoder> gzip_decoder(std::unique_ptr<Source> source) {
  return std::make_unique<GzipDecoder>(std::move(source));
}

std::uint32_t crc32(std::uint32_t sum, Bytes bytes) {
  return ::crc32_gzip_refl(sum, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

}  // namespace flense::codec
