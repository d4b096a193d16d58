#include "codec/sha256.h"

#include <gtest/gtest.h>

#include "codec/testing_support.h"

namespace flense::codec {
namespace {

// FIPS 180-2 appendix B.
TEST(Sha256, KnownDigests) {
  EXPECT_EQ(sha256_digest({}),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_digest(as_bytes("abc")),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_digest(as_bytes(std::string(1'000'000, 'a'))),
            "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
  const std::string text = testing::sample(100'000);
  Sha256 hash;
  for (std::size_t at = 0; at < text.size(); at += 777)
    hash.update(as_bytes(std::string_view(text).substr(at, 777)));
  EXPECT_EQ(hash.digest(), sha256_digest(as_bytes(text)));
}

TEST(Sha256, RecordFormIsUnpaddedUrlSafeBase64) {
  // The digest of "abc" in base64: "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".
  EXPECT_EQ(sha256_record(as_bytes("abc")), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}

TEST(Sha256, HashingSinkPassesOnAndCounts) {
  StringSink to;
  HashingSink sink(to);
  ASSERT_TRUE(sink.write(as_bytes("ab")));
  ASSERT_TRUE(sink.write(as_bytes("c")));
  ASSERT_TRUE(sink.finish());
  EXPECT_EQ(to.text(), "abc");
  EXPECT_EQ(sink.size(), 3U);
  EXPECT_EQ(sink.digest(), sha256_digest(as_bytes("abc")));
}

}  // namespace
}  // namespace flense::codec
