#include "codec/packed_block.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "codec/testing_support.h"
#include "codec/zstd_frame.h"

namespace flense::codec {
namespace {

std::string pack(const std::string& text, BlockMethod method, std::size_t step = 100'000) {
  StringSink out;
  const auto sink = write_block(out, method, 6, text.size());
  for (std::size_t at = 0; at < text.size(); at += step)
    EXPECT_TRUE(sink->write(as_bytes(text).subspan(at, std::min(step, text.size() - at))));
  EXPECT_TRUE(sink->finish());
  return out.take();
}

Result<UnpackedBlock> unpack(const std::string& packed, BlockMethod method, std::size_t size) {
  return UnpackedBlock::make(as_bytes(packed), method, size,
                             std::filesystem::temp_directory_path());
}

class PackedBlock : public ::testing::TestWithParam<BlockMethod> {};

TEST_P(PackedBlock, ComesBackAndSaysWhereItEnds) {
  for (const std::size_t size : {0u, 1u, 70'000u, 3'000'000u}) {
    const std::string text = testing::sample(size);
    const std::string packed = pack(text, GetParam());
    const auto back = unpack(packed + "what follows", GetParam(), size);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(as_text(back->bytes()), text);
    EXPECT_EQ(back->consumed(), packed.size());
    EXPECT_EQ(pack(text, GetParam()), packed);
    const auto start = unpack_block_start(as_bytes(packed), GetParam(), 50'000);
    ASSERT_TRUE(start);
    EXPECT_EQ(*start, text.substr(0, 50'000));
  }
}

TEST_P(PackedBlock, ALargeOneIsKeptInAScratchFile) {
  const std::string text(40u << 20, 'x');
  const std::string packed = pack(text, GetParam(), 10u << 20);
  auto back = unpack(packed, GetParam(), text.size());
  ASSERT_TRUE(back) << back.error().message;
  const UnpackedBlock moved = *std::move(back);
  EXPECT_TRUE(as_text(moved.bytes()) == text);
  const auto none =
      UnpackedBlock::make(as_bytes(packed), GetParam(), text.size(), "/dev/null/below");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kEnvironment);
}

TEST_P(PackedBlock, TruncatedAndCorruptBlocksAreErrors) {
  const std::string text = testing::sample(300'000);
  const std::string packed = pack(text, GetParam());
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, packed.size() / 2, packed.size() - 1})
    EXPECT_FALSE(unpack(packed.substr(0, size), GetParam(), text.size())) << size;
  EXPECT_FALSE(unpack(packed, GetParam(), text.size() - 1));
  EXPECT_FALSE(unpack(packed, GetParam(), text.size() + 1));
  EXPECT_FALSE(unpack("__CLANG_OFFLOAD", GetParam(), 10));
  EXPECT_FALSE(unpack_block_start(as_bytes("__CLANG_OFFLOAD"), GetParam(), 10));
  EXPECT_FALSE(unpack_block_start(as_bytes(packed.substr(0, 20)), GetParam(), 1000));
}

INSTANTIATE_TEST_SUITE_P(Methods, PackedBlock,
                         ::testing::Values(BlockMethod::kZlib, BlockMethod::kZstd));

TEST(PackedBlockZstd, IsOneFrameThatOtherReadersKnow) {
  const std::string text = testing::sample(20u << 20);
  const std::string packed = pack(text, BlockMethod::kZstd, 1u << 20);
  EXPECT_EQ(zstd_frame_size(as_bytes(packed)), packed.size());
  const testing::ScratchDirectory scratch;
  testing::write_text(scratch / "block.zst", packed);
  EXPECT_EQ(testing::run({"zstd", "-dc", scratch / "block.zst"}), text);
}

TEST(PackedBlockZstd, TheStartIsReadWhateverWindowTheFrameAsksFor) {
  // A frame as LLVM writes it: one segment, so its window is all of its 140 MiB.
  const std::string text(140u << 20, 'y');
  const testing::ScratchDirectory scratch;
  testing::write_text(scratch / "text", text);
  const std::string packed = testing::run({"zstd", "-qc1", "--long=28", scratch / "text"});
  const auto start = unpack_block_start(as_bytes(packed), BlockMethod::kZstd, 64u << 10);
  ASSERT_TRUE(start) << start.error().message;
  EXPECT_EQ(*start, text.substr(0, 64u << 10));
}

/// The reference tool's only block, without its frame (lz4_Frame_format.md): magic, 3 bytes of
/// descriptor and 4 of block size before it, 4 of end mark after it.
std::string lz4_block(const std::string& text) {
  const testing::ScratchDirectory scratch;
  testing::write_text(scratch / "text", text);
  const std::string frame =
      testing::run({"lz4", "-qc9", "-B7", "--no-frame-crc", scratch / "text"});
  return frame.substr(11, frame.size() - 11 - 4);
}

TEST(PackedBlockLz4, ComesBackWhole) {
  const auto directory = std::filesystem::temp_directory_path();
  const std::string text = testing::sample(300'000);
  const std::string packed = lz4_block(text);
  ASSERT_LT(packed.size(), text.size());
  const auto back = UnpackedBlock::of_lz4(as_bytes(packed), text.size(), directory);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(as_text(back->bytes()), text);
  EXPECT_EQ(back->consumed(), packed.size());
  for (const std::size_t size : {text.size() - 1, text.size() + 1, std::size_t{0}})
    EXPECT_FALSE(UnpackedBlock::of_lz4(as_bytes(packed), size, directory)) << size;
  for (const std::size_t size : {std::size_t{0}, packed.size() / 2, packed.size() - 1})
    EXPECT_FALSE(UnpackedBlock::of_lz4(as_bytes(packed).first(size), text.size(), directory));
  EXPECT_FALSE(UnpackedBlock::of_lz4(as_bytes(packed), 1ULL << 40, directory));
  for (const std::size_t most : {std::size_t{1}, std::size_t{64}, text.size()})
    EXPECT_EQ(unpack_lz4_start(as_bytes(packed), most).value(), text.substr(0, most));
  // Of a block that ends too early what stands before the end is a start, too.
  const auto cut = unpack_lz4_start(as_bytes(packed).first(packed.size() / 2), text.size());
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_LT(cut->size(), text.size());
  EXPECT_TRUE(text.starts_with(*cut));
  // A match that leads before the beginning.
  EXPECT_FALSE(unpack_lz4_start(as_bytes(std::string_view("\x14"
                                                          "a\xff\xff\x00",
                                                          5)),
                                64));
}

TEST(PackedBlockZstd, MemoryIsEstimatedByLevelAndSize) {
  EXPECT_GT(zstd_memory(19, 100u << 20), zstd_memory(19, 1u << 20));
  EXPECT_GT(zstd_memory(19, 100u << 20), zstd_memory(5, 100u << 20));
  EXPECT_LT(zstd_memory(19, 1u << 30), 160u << 20);
}

}  // namespace
}  // namespace flense::codec
