// What an image may unpack to, by what it stores.
#include "image/layers/unpack_limit.h"

#include <gmock/gmock.h>

#include "image/layers/testing_image.h"
#include "image/layers/tree_image.h"

namespace flense::image {
namespace {

using namespace fixture;
using ::testing::HasSubstr;

constexpr std::uint64_t kMega = 1'000'000;

struct Stored final : Image {
  explicit Stored(std::uint64_t bytes) {
    layers.resize(2);
    layers[0].blob.size = bytes / 4;
    layers[1].blob.size = bytes - bytes / 4;
  }
  Result<std::unique_ptr<Source>> open_layer(std::size_t) const override {
    return bad_input("nothing");
  }
};

LayerEntry claim(std::uint64_t size, MemberType type = MemberType::kFile) {
  LayerEntry out;
  out.path = "var/huge";
  out.member.type = type;
  out.member.size = size;
  return out;
}

bool allows(UnpackLimit limit, std::uint64_t bytes) {
  return limit.add(claim(bytes)).has_value();
}

TEST(UnpackLimit, TheRatioAndTheFloor) {
  const auto limit = [](std::uint64_t stored) { return UnpackLimit(Stored(stored), {}); };
  EXPECT_TRUE(allows(limit(1), kUnpackFloor - 512));
  EXPECT_FALSE(allows(limit(1), kUnpackFloor));
  EXPECT_TRUE(allows(limit(50 * kMega), 4990 * kMega));
  EXPECT_FALSE(allows(limit(50 * kMega), 5001 * kMega));
  EXPECT_TRUE(allows(limit(UINT64_MAX / 2), UINT64_MAX - 512));
  EXPECT_TRUE(allows(UnpackLimit(), UINT64_MAX));
}

TEST(UnpackLimit, WhatWasAskedForIsTheLimit) {
  EXPECT_FALSE(allows(UnpackLimit(Stored(50 * kMega), 20 * kMega), 20 * kMega));
  EXPECT_TRUE(allows(UnpackLimit(Stored(1), 20'000 * kMega), 19'000 * kMega));
}

TEST(UnpackLimit, CountsEveryMemberAndItsHeader) {
  UnpackLimit limit(Stored(1), 10'000);
  must(limit.add(claim(5000)));
  must(limit.add(claim(UINT64_MAX, MemberType::kDirectory)));
  must(limit.add(claim(3000)));
  const auto refused = limit.add(claim(1000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBadInput);
  EXPECT_EQ(refused.error().message,
            "with var/huge of 1.0 kB the image unpacks to 11.0 kB or more and stores 1 B; at most "
            "10.0 kB are unpacked (FLENSE_MAX_UNPACKED)");
  EXPECT_THAT(refused.error().hint, HasSubstr("FLENSE_MAX_UNPACKED=SIZE"));
  UnpackLimit wide(Stored(1), {});
  EXPECT_FALSE(wide.add(claim(UINT64_MAX)));
}

}  // namespace
}  // namespace flense::image
