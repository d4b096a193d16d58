#include "codec/legacy_digest.h"

#include <gtest/gtest.h>

#include "codec/testing_support.h"

namespace flense::codec {
namespace {

// RFC 1321, appendix A.5.
TEST(Md5, KnownDigests) {
  EXPECT_EQ(md5_hex({}), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex(as_bytes("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Md5, PiecesGiveTheDigestOfTheWhole) {
  const std::string text = testing::sample(10'000);
  Md5 hash;
  for (std::size_t at = 0; at < text.size(); at += 777)
    hash.update(as_bytes(std::string_view(text).substr(at, 777)));
  std::string hex;
  for (const std::byte byte : hash.take())
    hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  EXPECT_EQ(hex, md5_hex(as_bytes(text)));
}

// FIPS 180-2, appendix A.1: a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d.
TEST(Sha1, KnownDigestInBase64AndHexadecimal) {
  EXPECT_EQ(sha1_hex(as_bytes("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_base64(as_bytes("abc")), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
}

}  // namespace
}  // namespace flense::codec
