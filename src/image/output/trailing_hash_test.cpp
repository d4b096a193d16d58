#include "image/output/trailing_hash.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/sha256.h"

namespace flense::image {
namespace {

UniqueFd scratch() {
  auto fd = open_scratch(::testing::TempDir());
  EXPECT_TRUE(fd) << (fd ? "" : fd.error().message);
  return std::move(*fd);
}

TEST(TrailingHash, PiecesOfAnySizeGiveTheDigestOfTheFile) {
  const UniqueFd fd = scratch();
  std::string all;
  TrailingHash hash(fd.get(), "file");
  for (std::size_t piece = 1; all.size() < (3U << 20); piece = piece * 3 + 1) {
    const std::string bytes(piece, static_cast<char>('a' + piece % 23));
    ASSERT_TRUE(write_fully(fd.get(), as_bytes(bytes), "file"));
    hash.grow(bytes.size());
    all += bytes;
  }
  EXPECT_EQ(hash.size(), all.size());
  const auto digest = hash.digest();
  ASSERT_TRUE(digest);
  EXPECT_EQ(*digest, codec::sha256_digest(as_bytes(all)));
}

TEST(TrailingHash, AnEmptyFileAndOneThatIsGivenUp) {
  const UniqueFd fd = scratch();
  TrailingHash empty(fd.get(), "file");
  EXPECT_EQ(empty.digest().value_or(""), codec::sha256_digest({}));
  const TrailingHash given_up(fd.get(), "file");
}

TEST(TrailingHash, WhatWasNotWrittenIsAnError) {
  const UniqueFd fd = scratch();
  TrailingHash hash(fd.get(), "the layer");
  hash.grow(10);
  const auto digest = hash.digest();
  ASSERT_FALSE(digest);
  EXPECT_NE(digest.error().message.find("the layer became shorter"), std::string::npos);
}

}  // namespace
}  // namespace flense::image
