#include "codec/compression.h"

#include <cstring>

#include "codec/decoders.h"

namespace flense::codec {

namespace {

class PlainDecoder final : public Decoder {
 public:
  explicit PlainDecoder(std::unique_ptr<Source> from) : from_(std::move(from)) {}
  Result<std::size_t> read(MutableBytes out) override {
    TRY(const Bytes bytes, from_->next(out.size()));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return bytes.size();
  }

 private:
  std::unique_ptr<Source> from_;
};

class PlainEncoder final : public Sink {
 public:
  explicit PlainEncoder(Sink& to) : to_(to) {}
  Result<void> write(Bytes bytes) override { return to_.write(bytes); }
  Result<void> finish() override { return to_.finish(); }

 private:
  Sink& to_;
};

}  // namespace

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
  }
  return "none";
}

Compression detect_compression(Bytes first_bytes) {
  if (first_bytes.size() >= 2 && load_le<std::uint16_t>(first_bytes, 0) == 0x8b1f)
    return Compression::kGzip;
  if (first_bytes.size() < 4) return Compression::kNone;
  const auto magic = load_le<std::uint32_t>(first_bytes, 0);
  if (magic == 0xfd2fb528 || (magic & 0xfffffff0U) == 0x184d2a50) return Compression::kZstd;
  return Compression::kNone;
}

Result<std::unique_ptr<Decoder>> open_decoder(std::unique_ptr<Source> compressed,
                                              Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return std::make_unique<PlainDecoder>(std::move(compressed));
    case Compression::kZstd:
      return zstd_decoder(std::move(compressed));
    case Compression::kGzip:
      return gzip_decoder(std::move(compressed));
  }
  return fail(Code::kInternal, "unknown compression");
}

Result<std::unique_ptr<Source>> decompress(std::unique_ptr<Source> compressed,
                                           Compression compression) {
  if (compression == Compression::kNone) return compressed;
  TRY(auto decoder, open_decoder(std::move(compressed), compression));
  return on_thread(std::move(decoder));
}

Result<std::unique_ptr<Sink>> compress(Sink& to, Compression compression,
                                       const EncodeOptions& options) {
  switch (compression) {
    case Compression::kNone:
      return std::make_unique<PlainEncoder>(to);
    case Compression::kGzip:
      return gzip_encoder(to, options.level, options.threads);
    case Compression::kZstd:
      return zstd_encoder(to, options.level, options.threads);
  }
  return fail(Code::kInternal, "unknown compression");
}

}  // namespace flense::codec
