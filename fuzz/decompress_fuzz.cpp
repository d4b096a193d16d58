// First byte: what to do. Decoders must end without harm on any bytes and must not depend on how
// the input is cut; what an encoder writes must decode to the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/stream.h"
#include "codec/compression.h"

namespace {

using flense::Bytes;
using flense::Result;
using flense::codec::Compression;

class PiecewiseSource final : public flense::Source {
 public:
  PiecewiseSource(Bytes bytes, std::size_t piece) : rest_(bytes), piece_(piece) {}
  Result<Bytes> next(std::size_t max) override {
    const Bytes out = rest_.first(std::min({max, piece_, rest_.size()}));
    rest_ = rest_.subspan(out.size());
    return out;
  }

 private:
  Bytes rest_;
  std::size_t piece_;
};

Result<std::string> decode(Bytes bytes, Compression compression, std::size_t piece) {
  TRY(auto source,
      flense::codec::decompress(std::make_unique<PiecewiseSource>(bytes, piece), compression));
  return flense::read_all(*source, 1u << 22, "output");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes bytes = std::as_bytes(std::span(data + 1, size - 1));
  const Compression compression = (data[0] & 1) != 0 ? Compression::kGzip : Compression::kZstd;
  if ((data[0] & 2) == 0) {
    const auto whole = decode(bytes, compression, SIZE_MAX);
    const auto cut = decode(bytes, compression, 1 + data[0] % 61);
    if (whole.has_value() != cut.has_value() || (whole && *whole != *cut)) std::abort();
    return 0;
  }
  flense::StringSink packed;
  auto encoder = flense::codec::compress(packed, compression, {.level = 1, .threads = 1});
  if (!encoder || !(*encoder)->write(bytes) || !(*encoder)->finish()) std::abort();
  const auto again = decode(flense::as_bytes(packed.text()), compression, SIZE_MAX);
  if (!again || flense::as_text(bytes) != *again) std::abort();
  return 0;
}
