#include "codec/compression.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>

#include "base/file.h"
#include "base/process.h"
#include "codec/crc32.h"
#include "codec/testing_support.h"
#include "codec/zstd_frame.h"

namespace flense::codec {
namespace {

using testing::sample;
using testing::TrickleSource;

Result<std::string> unpack(std::unique_ptr<Source> packed, Compression compression) {
  TRY(auto source, decompress(std::move(packed), compression));
  return read_all(*source, 1u << 30, "output");
}

Result<std::string> unpack(std::string_view packed, Compression compression) {
  return unpack(std::make_unique<MemorySource>(as_bytes(packed)), compression);
}

std::string pack(std::string_view text, Compression compression, const EncodeOptions& options = {},
                 std::size_t step = 1u << 20) {
  StringSink out;
  auto encoder = compress(out, compression, options);
  EXPECT_TRUE(encoder);
  for (std::size_t at = 0; at < text.size(); at += step)
    EXPECT_TRUE((*encoder)->write(as_bytes(text.substr(at, step))));
  EXPECT_TRUE((*encoder)->finish());
  return out.take();
}

std::string gzip(std::string_view text) {
  return pack(text, Compression::kGzip);
}

void expect_refused(std::string_view packed, Compression compression, std::string_view why) {
  const auto text = unpack(packed, compression);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Code::kBadInput);
  EXPECT_NE(text.error().message.find(why), std::string::npos) << text.error().message;
}

TEST(Compression, KindIsToldByTheFirstBytes) {
  EXPECT_EQ(detect_compression(as_bytes(gzip("x"))), Compression::kGzip);
  EXPECT_EQ(detect_compression(as_bytes(pack("x", Compression::kZstd))), Compression::kZstd);
  EXPECT_EQ(detect_compression(as_bytes("\x5f\x2a\x4d\x18")), Compression::kZstd);
  EXPECT_EQ(detect_compression(as_bytes("\x1f")), Compression::kNone);
  EXPECT_EQ(detect_compression({}), Compression::kNone);
  EXPECT_EQ(detect_compression(as_bytes("etc/passwd")), Compression::kNone);
}

TEST(Compression, NoneHandsTheSourceThrough) {
  auto source = decompress(std::make_unique<MemorySource>(as_bytes("text")), Compression::kNone);
  ASSERT_TRUE(source);
  EXPECT_EQ(as_text((*source)->direct()), "text");
  EXPECT_EQ(pack("text", Compression::kNone), "text");
}

class EveryKind : public ::testing::TestWithParam<Compression> {};

TEST_P(EveryKind, RoundTripOfAllSizes) {
  for (const std::size_t size : {0U, 1U, 511U, 65536U, 1048576U, 1048577U, 9'000'000U}) {
    const std::string text = sample(size);
    const std::string packed = pack(text, GetParam());
    EXPECT_EQ(unpack(packed, GetParam()).value_or("refused"), text) << size;
    EXPECT_EQ(unpack(std::make_unique<TrickleSource>(packed, 4099), GetParam()).value_or("refused"),
              text)
        << size;
  }
}

TEST_P(EveryKind, ManyStreamsInARowAreOne) {
  std::string packed, text;
  for (unsigned i = 0; i < 50; ++i) {
    const std::string part = sample(std::size_t{997} * i, i);
    text += part;
    packed += pack(part, GetParam());
  }
  EXPECT_EQ(unpack(packed, GetParam()).value_or("refused"), text);
  for (const std::size_t step : {1U, 2U, 3U, 1000U})
    EXPECT_EQ(unpack(std::make_unique<TrickleSource>(packed, step), GetParam()).value_or("refused"),
              text)
        << step;
}

TEST_P(EveryKind, EveryTruncationIsAnError) {
  const std::string packed = pack(sample(3000), GetParam());
  for (std::size_t size = 0; size < packed.size(); ++size) {
    const auto text = unpack(packed.substr(0, size), GetParam());
    ASSERT_FALSE(text) << size;
    EXPECT_EQ(text.error().code, Code::kBadInput);
    EXPECT_NE(text.error().message.find(fmt::format("truncated: it ends at offset {:#x}", size)),
              std::string::npos)
        << text.error().message;
  }
}

TEST_P(EveryKind, CorruptionIsAnErrorAndWhatCameBeforeIsHandedOut) {
  const std::string text = sample(20'000'000);
  std::string packed = pack(text, GetParam());
  packed[packed.size() / 2] = static_cast<char>(~packed[packed.size() / 2]);
  auto source = decompress(std::make_unique<MemorySource>(as_bytes(packed)), GetParam());
  ASSERT_TRUE(source);
  std::string got;
  while (true) {
    const Result<Bytes> chunk = (*source)->next(100'000);
    if (!chunk) {
      EXPECT_EQ(chunk.error().code, Code::kBadInput);
      EXPECT_NE(chunk.error().message.find("corrupt at offset"), std::string::npos)
          << chunk.error().message;
      break;
    }
    ASSERT_FALSE(chunk->empty()) << "the end came instead of an error";
    got += as_text(*chunk);
  }
  EXPECT_GT(got.size(), 1'000'000U);
  // An error stays.
  EXPECT_FALSE((*source)->next(1));
}

TEST_P(EveryKind, AnErrorOfTheSourceIsTheStreamsError) {
  class Broken final : public Source {
   public:
    Result<Bytes> next(std::size_t) override {
      if (std::exchange(first_, false)) return as_bytes("\x1f\x8b\x08");
      return fail(Code::kEnvironment, "the disk is on fire");
    }
    bool first_ = true;
  };
  const auto text = unpack(std::make_unique<Broken>(), GetParam());
  ASSERT_FALSE(text);
  if (GetParam() == Compression::kGzip) {
    EXPECT_EQ(text.error().message, "the disk is on fire");
  }
}

TEST_P(EveryKind, AbandoningAStreamEndsItAtOnce) {
  std::string zeros;
  zeros.resize(100'000'000);
  const std::string packed = pack(zeros, GetParam());
  for (const int reads : {0, 1, 7}) {
    for (const bool trickle : {false, true}) {
      std::unique_ptr<Source> from;
      if (trickle)
        from = std::make_unique<TrickleSource>(packed, 4096);
      else
        from = std::make_unique<MemorySource>(as_bytes(packed));
      auto source = decompress(std::move(from), GetParam());
      ASSERT_TRUE(source);
      for (int i = 0; i < reads; ++i) ASSERT_TRUE((*source)->next(1u << 20));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Decoders, EveryKind,
                         ::testing::Values(Compression::kZstd, Compression::kGzip),
                         [](const auto& one) { return std::string(to_string(one.param)); });

TEST(Gzip, PaddingAndGarbageBehindTheLastMemberAreIgnored) {
  const std::string packed = gzip("text");
  for (const std::string_view tail : {std::string_view("\0\0\0\0", 4), std::string_view("garbage"),
                                      std::string_view("\x1fno member")}) {
    EXPECT_EQ(unpack(packed + std::string(tail), Compression::kGzip).value_or("refused"), "text");
    EXPECT_EQ(
        unpack(std::make_unique<TrickleSource>(packed + std::string(tail), 1), Compression::kGzip)
            .value_or("refused"),
        "text");
  }
  for (const std::string_view tail : {"\x1f", "\x1f\x8b", "\x1f\x8b\x08"})
    EXPECT_FALSE(unpack(packed + std::string(tail), Compression::kGzip)) << tail.size();
}

TEST(Gzip, TheCompressedSourceIsReadToItsEnd) {
  class Counting final : public Source {
   public:
    Counting(std::string bytes, std::size_t& count)
        : from_(std::move(bytes), 1000), count_(count) {}
    Result<Bytes> next(std::size_t max) override {
      TRY(const Bytes out, from_.next(max));
      count_ += out.size();
      return out;
    }
    TrickleSource from_;
    std::size_t& count_;
  };
  const std::string packed = gzip(sample(50'000)) + std::string(5'000'000, '\0');
  std::size_t count = 0;
  ASSERT_TRUE(unpack(std::make_unique<Counting>(packed, count), Compression::kGzip));
  EXPECT_EQ(count, packed.size());
}

TEST(Gzip, WrongChecksumAndLengthAreErrors) {
  const std::string packed = gzip(sample(5'000'000));
  for (const std::size_t back : {1U, 5U}) {
    std::string broken = packed;
    broken[broken.size() - back] = static_cast<char>(~broken[broken.size() - back]);
    expect_refused(broken, Compression::kGzip, "incorrect checksum or length");
  }
}

/// RFC 1952, section 2.3.1: extra field, name, comment and checksum of the header.
std::string gzip_with_full_header(std::string_view text) {
  const std::string plain = gzip(text);
  std::string header = std::string("\x1f\x8b\x08\x1e\1\2\3\4\0\x03", 10);
  header +=
      std::string("\x05\0extra", 7) + std::string("name\0", 5) + std::string("a comment\0", 10);
  const std::uint32_t sum = crc32(0, as_bytes(header));
  header += {static_cast<char>(sum & 0xff), static_cast<char>(sum >> 8 & 0xff)};
  return header + plain.substr(10);
}

TEST(Gzip, EveryFieldOfTheHeaderMayBeCutAnywhere) {
  const std::string text = sample(70'000);
  const std::string packed = gzip_with_full_header(text) + gzip_with_full_header("more");
  for (const std::size_t step : {1U, 2U, 3U, 7U, 11U, 100'000U})
    EXPECT_EQ(unpack(std::make_unique<TrickleSource>(packed, step), Compression::kGzip)
                  .value_or("refused"),
              text + "more")
        << step;
}

TEST(Gzip, AHeaderThatLiesIsAnError) {
  std::string packed = gzip_with_full_header("text");
  packed[13] ^= 1;
  expect_refused(packed, Compression::kGzip, "incorrect checksum");
  packed = gzip("text");
  packed[2] = 7;
  expect_refused(packed, Compression::kGzip, "unknown compression method");
  expect_refused("no gzip at all", Compression::kGzip, "no gzip header");
}

TEST(Gzip, AMatchBeforeTheDataIsAnError) {
  // One block of fixed codes: a match of length 3 at distance 1, and nothing before it.
  const std::string_view block("\x03\x02\0", 3);
  expect_refused(
      std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10) + std::string(block) + std::string(8, '\0'),
      Compression::kGzip, "corrupt at offset");
}

TEST(Zstd, GarbageBehindTheLastFrameIsAnError) {
  expect_refused(pack("text", Compression::kZstd) + "garbage", Compression::kZstd,
                 "corrupt at offset");
}

TEST(Zstd, SkippableFramesAreSkipped) {
  const std::string skippable("\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(unpack(skippable + pack("text", Compression::kZstd) + skippable, Compression::kZstd)
                .value_or("refused"),
            "text");
}

TEST(Zstd, FormatsBeforeTheStandardAreRefused) {
  // The magic numbers of zstd 0.1 and 0.2 to 0.7.
  for (const char first : {'\x1e', '\x22', '\x23', '\x24', '\x25', '\x26', '\x27'}) {
    const std::string legacy = first + std::string("\xb5\x2f\xfd\x08\0\0\0", 7);
    expect_refused(legacy, Compression::kZstd, "no frame begins with");
    expect_refused(pack("text", Compression::kZstd) + legacy, Compression::kZstd,
                   "no frame begins with");
  }
}

TEST(Zstd, AWindowBeyondOurMemoryIsAnError) {
  // Frame header: window descriptor with exponent 21 (2^31 bytes), no content size.
  expect_refused(std::string("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9), Compression::kZstd,
                 "memory");
}

TEST(Encoders, OutputDependsNeitherOnThreadsNorOnTheSizeOfWrites) {
  const std::string text = sample(30'000'000);
  for (const Compression compression : {Compression::kZstd, Compression::kGzip}) {
    const int level = compression == Compression::kZstd ? 0 : 1;
    const std::string reference = pack(text, compression, {.level = level, .threads = 1});
    EXPECT_LT(reference.size(), text.size());
    EXPECT_EQ(pack(text, compression, {.level = level, .threads = 0}), reference);
    EXPECT_EQ(pack(text, compression, {.level = level, .threads = 4}), reference);
    EXPECT_EQ(pack(text, compression, {.level = level, .threads = 3}, 7777), reference);
    EXPECT_EQ(pack(text, compression, {.level = level, .threads = 2}, text.size()), reference);
  }
}

TEST(Encoders, BlockBordersLeaveNoTrace) {
  // Empty, one byte, and around the boundaries of gzip's blocks of 1 MiB and zstd's of 8 MiB.
  for (const std::size_t size : {0UL, 1UL, (1UL << 20) - 1, 1UL << 20, (1UL << 20) + 1, 2UL << 20,
                                 (8UL << 20) - 1, 8UL << 20, (8UL << 20) + 1}) {
    const std::string text = sample(size);
    EXPECT_EQ(unpack(pack(text, Compression::kGzip, {.level = 1, .threads = 2}), Compression::kGzip)
                  .value_or("refused"),
              text);
    EXPECT_EQ(unpack(pack(text, Compression::kZstd, {.level = 1, .threads = 2}), Compression::kZstd)
                  .value_or("refused"),
              text);
  }
}

TEST(Encoders, GzipBlocksShareTheirWindow) {
  // Noise that repeats within the window: only a compressor that sees what came before finds it at
  // the start of a block.
  std::mt19937 random(7);
  std::string noise(32'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  std::string text;
  while (text.size() < (4U << 20)) text += noise;
  const std::string packed = pack(text, Compression::kGzip, {.level = 6, .threads = 2});
  EXPECT_LT(packed.size(), 2 * noise.size());
}

TEST(Encoders, AFailingSinkEndsTheStream) {
  class FullDisk final : public Sink {
   public:
    Result<void> write(Bytes) override { return fail(Code::kEnvironment, "no space left"); }
  };
  for (const Compression compression : {Compression::kZstd, Compression::kGzip}) {
    FullDisk disk;
    const auto encoder = compress(disk, compression, {.level = 1, .threads = 2});
    ASSERT_TRUE(encoder);
    const std::string text = sample(40'000'000);
    Result<void> outcome = (*encoder)->write(as_bytes(text));
    if (outcome) outcome = (*encoder)->finish();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message, "no space left");
  }
}

TEST(Encoders, ImpossibleLevelsAreRefused) {
  StringSink out;
  for (const auto& [compression, level] :
       {std::pair(Compression::kGzip, 10), std::pair(Compression::kZstd, 23)}) {
    const auto encoder = compress(out, compression, {.level = level, .threads = 1});
    ASSERT_FALSE(encoder);
    EXPECT_EQ(encoder.error().code, Code::kUsage);
  }
}

TEST(Encoders, GzipHeaderCarriesNoTimeAndNoName) {
  const std::string packed = gzip("text");
  EXPECT_EQ(packed.substr(0, 10), std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
}

TEST(Encoders, ToolsReadWhatWeWrite) {
  const testing::ScratchDirectory dir;
  const std::string text = sample(1'500'000);
  testing::write_text(dir / "a.gz", gzip(text));
  testing::write_text(dir / "a.zst", pack(text, Compression::kZstd, {.level = 19, .threads = 2}));
  EXPECT_EQ(testing::run({"gzip", "-dc", (dir / "a.gz").string()}), text);
  if (!find_program("zstd")) GTEST_SKIP() << "zstd is not on PATH";
  EXPECT_EQ(testing::run({"zstd", "-dcq", (dir / "a.zst").string()}), text);
}

TEST(Decoders, ReadWhatToolsWrite) {
  const testing::ScratchDirectory dir;
  const std::string text = sample(1'500'000);
  testing::write_text(dir / "a", text);
  const std::string name = (dir / "a").string();
  for (const char* level : {"-1", "-9"})
    EXPECT_EQ(unpack(testing::run({"gzip", level, "-c", name}), Compression::kGzip).value_or(""),
              text);
  if (find_program("igzip")) {
    EXPECT_EQ(unpack(testing::run({"igzip", "-c", name}), Compression::kGzip).value_or(""), text);
  }
  if (find_program("zstd")) {
    for (const char* level : {"-1", "-19", "--long=27", "--no-check"})
      EXPECT_EQ(unpack(testing::run({"zstd", "-qc", level, name}), Compression::kZstd).value_or(""),
                text);
  }
}

RC_GTEST_PROP(Codec, RoundTrip, (const std::string& text, bool zstd, std::uint8_t threads)) {
  const auto compression = zstd ? Compression::kZstd : Compression::kGzip;
  const std::string packed = pack(text, compression, {.level = 1, .threads = threads % 4U});
  const std::size_t step = 1 + static_cast<std::size_t>(*rc::gen::inRange(0, 100));
  RC_ASSERT(unpack(std::make_unique<TrickleSource>(packed, step),
                   zstd ? Compression::kZstd : Compression::kGzip)
                .value_or("refused") == text);
}

TEST(ZstdFrame, EndsWhereItsBlocksDo) {
  StringSink packed;
  auto encoder = compress(packed, Compression::kZstd, {});
  ASSERT_TRUE((*encoder)->write(as_bytes(testing::sample(300'000))));
  ASSERT_TRUE((*encoder)->finish());
  const std::string frame = packed.take();
  EXPECT_EQ(zstd_frame_size(as_bytes(frame)), frame.size());
  EXPECT_EQ(zstd_frame_size(as_bytes(frame + "and more")), frame.size());
  EXPECT_EQ(zstd_frame_size(as_bytes(frame.substr(0, frame.size() - 1))), std::nullopt);
  EXPECT_EQ(zstd_frame_size(as_bytes("no frame")), std::nullopt);
  EXPECT_EQ(zstd_frame_size({}), std::nullopt);
}

}  // namespace
}  // namespace flense::codec
