#include "image/layers/layer_pump.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "codec/sha256.h"
#include "image/layers/testing_image.h"

namespace flense::image {
namespace {

using namespace fixture;

/// Hands out `text` in pieces, then ends or fails.
class ScriptedDecoder : public codec::Decoder {
 public:
  ScriptedDecoder(std::string text, std::size_t step, std::optional<Error> error = {})
      : text_(std::move(text)), step_(step), error_(std::move(error)) {}
  Result<std::size_t> read(MutableBytes out) override {
    const std::size_t count = std::min({out.size(), step_, text_.size() - at_});
    if (count == 0 && error_) return std::unexpected(*error_);
    std::memcpy(out.data(), text_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  std::size_t step_, at_ = 0;
  std::optional<Error> error_;
};

std::string sample_text(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 31 % 251 + i / 997);
  return out;
}

constexpr std::uint64_t kNoLimit = 1ull << 40;

TEST(LayerPump, BytesDigestAndTotal) {
  for (const std::size_t size : {0u, 1u, 1u << 20, (1u << 20) + 1, 23'456'789u}) {
    const std::string text = sample_text(size);
    for (const std::size_t step : {4099u, 64u << 20}) {
      for (const bool hash : {true, false}) {
        LayerPump pump(std::make_unique<ScriptedDecoder>(text, step), {hash, kNoLimit, nullptr});
        EXPECT_TRUE(must(read_all(pump, kNoLimit, "layer")) == text);
        EXPECT_EQ(pump.total(), size);
        EXPECT_EQ(pump.digest(), hash ? codec::sha256_digest(as_bytes(text)) : "");
        EXPECT_TRUE(must(pump.next(1)).empty());
      }
    }
  }
}

TEST(LayerPump, WhatCameBeforeAnErrorIsHandedOutAndTheErrorStays) {
  const std::string text = sample_text(3'500'000);
  for (const bool hash : {true, false}) {
    LayerPump pump(std::make_unique<ScriptedDecoder>(text, 100'000,
                                                     Error{Code::kBadInput, "torn", {}, {}, {}}),
                   {hash, kNoLimit, nullptr});
    std::string got;
    Result<Bytes> chunk = pump.next(77'777);
    for (; chunk && !chunk->empty(); chunk = pump.next(77'777)) got += as_text(*chunk);
    ASSERT_FALSE(chunk);
    EXPECT_EQ(chunk.error().message, "torn");
    EXPECT_TRUE(got == text);
    EXPECT_FALSE(pump.next(1));
  }
}

TEST(LayerPump, TooMuchIsRefused) {
  for (const bool hash : {true, false}) {
    LayerPump pump(std::make_unique<ScriptedDecoder>(sample_text(9'000'000), 1u << 20),
                   {hash, 4'000'000, nullptr});
    EXPECT_FALSE(read_all(pump, kNoLimit, "layer"));
  }
}

TEST(LayerPump, AnInterruptIsAnErrorOfTheReader) {
  for (const bool hash : {true, false}) {
    std::stop_source stop;
    Progress progress(false, 80, stop.get_token());
    LayerPump pump(std::make_unique<ScriptedDecoder>(sample_text(16'000'000), 1u << 20),
                   {hash, kNoLimit, &progress});
    EXPECT_FALSE(must(pump.next(1)).empty());
    stop.request_stop();
    // What is on its way already may still arrive: eight blocks, two of them in hands.
    const auto rest = read_all(pump, kNoLimit, "layer");
    ASSERT_FALSE(rest);
    EXPECT_EQ(rest.error().code, Code::kInterrupted);
    EXPECT_FALSE(pump.next(1)) << "and stays one";
  }
}

TEST(LayerPump, EndsEarly) {
  for (const bool hash : {true, false}) {
    for (const int reads : {0, 1, 5}) {
      LayerPump pump(std::make_unique<ScriptedDecoder>(sample_text(40'000'000), 1u << 20),
                     {hash, kNoLimit, nullptr});
      for (int i = 0; i < reads; ++i) EXPECT_FALSE(must(pump.next(1u << 20)).empty());
    }
  }
}

}  // namespace
}  // namespace flense::image
