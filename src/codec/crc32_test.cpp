#include "codec/crc32.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "codec/testing_support.h"

namespace flense::codec {
namespace {

std::uint32_t by_zlib(std::uint32_t sum, Bytes bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

TEST(Crc32, KnownValue) {
  EXPECT_EQ(crc32(0, as_bytes("123456789")), 0xcbf43926U);
  EXPECT_EQ(crc32(0, {}), 0U);
  EXPECT_EQ(crc32(7, {}), 7U);
}

TEST(Crc32, EveryLengthAndAlignmentAsZlib) {
  const std::string text = testing::sample(1200);
  const Bytes all = as_bytes(text);
  for (std::size_t begin = 0; begin < 17; ++begin)
    for (std::size_t size = 0; size < 1100; ++size) {
      const Bytes part = all.subspan(begin, size);
      ASSERT_EQ(crc32(0, part), by_zlib(0, part)) << begin << ' ' << size;
      ASSERT_EQ(crc32(0x12345678, part), by_zlib(0x12345678, part)) << begin << ' ' << size;
    }
}

TEST(Crc32, PiecesAreTheWhole) {
  const std::string text = testing::sample(3'000'001);
  std::uint32_t sum = 0;
  for (std::size_t at = 0, step = 1; at < text.size(); at += step, step = step * 3 % 70'001)
    sum = crc32(sum, as_bytes(std::string_view(text).substr(at, step)));
  EXPECT_EQ(sum, by_zlib(0, as_bytes(text)));
}

}  // namespace
}  // namespace flense::codec
