#include "image/layers/layer_pump.h"

#include <algorithm>
#include <utility>

#include "codec/sha256.h"

namespace flense::image {

namespace {

constexpr std::size_t kPumpBlock = 1u << 20;
/// One in the hands of each thread, and some between them.
constexpr std::size_t kBlocks = 8;

}  // namespace

LayerPump::LayerPump(std::unique_ptr<codec::Decoder> decoder, const Options& options)
    : decoder_(std::move(decoder)),
      options_(options),
      spare_(kBlocks),
      unpacked_(kBlocks),
      hashed_(kBlocks),
      ready_(options.hash ? hashed_ : unpacked_) {
  for (std::size_t i = 0; i < kBlocks; ++i) spare_.push({});
  unpacker_ = std::jthread([this] {
    if (auto outcome = unpack(); !outcome) error_ = std::move(outcome).error();
    unpacked_.close();
  });
  if (options_.hash) hasher_ = std::jthread([this] { hash(); });
}

LayerPump::Stop::~Stop() {
  pump.spare_.close();
  pump.unpacked_.close();
  pump.hashed_.close();
}

Result<Bytes> LayerPump::next(std::size_t max) {
  if (used_ == current_.size) {
    if (current_.data) spare_.push(std::exchange(current_, {}));
    used_ = 0;
    std::optional<Block> block = ready_.pop();
    if (!block) {
      if (error_) return std::unexpected(*error_);
      return Bytes();
    }
    current_ = std::move(*block);
  }
  const Bytes out = current_.bytes().subspan(used_, std::min(max, current_.size - used_));
  used_ += out.size();
  return out;
}

Result<void> LayerPump::unpack() {
  while (std::optional<Block> block = spare_.pop()) {
    if (!block->data) block->data = std::make_unique_for_overwrite<std::byte[]>(kPumpBlock);
    block->size = 0;
    Result<std::size_t> got = 1;
    while (got && *got > 0 && block->size < kPumpBlock) {
      got = decoder_->read(MutableBytes(block->data.get() + block->size, kPumpBlock - block->size));
      if (got) block->size += *got;
    }
    const bool last = !got || *got == 0;
    total_ += block->size;
    if (total_ > options_.max_bytes)
      return bad_input("the layer unpacks to more than {} bytes", options_.max_bytes);
    // Only to hear of an interruption: what is done is counted as it is stored.
    if (options_.progress != nullptr) TRY_DO(options_.progress->add(0));
    // What was unpacked before an error is still handed out.
    if (block->size > 0 && !unpacked_.push(std::move(*block))) return {};
    if (!got) return std::unexpected(std::move(got).error());
    if (last) return {};
  }
  return {};
}

void LayerPump::hash() {
  codec::Sha256 sum;
  while (std::optional<Block> block = unpacked_.pop()) {
    sum.update(block->bytes());
    if (!hashed_.push(std::move(*block))) return;
  }
  digest_ = sum.digest();
  hashed_.close();
}

}  // namespace flense::image
