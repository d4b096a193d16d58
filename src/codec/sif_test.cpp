#include "codec/sif.h"

#include <gtest/gtest.h>

#include <cstring>

namespace flense::codec {
namespace {

template <class T>
void put(std::string& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

void put_text(std::string& out, std::size_t at, std::string_view text) {
  out.replace(at, text.size(), text);
}

/// Header, a label descriptor, a primary partition, then 100 bytes of "file system".
std::string build(std::int32_t kind = 1, std::int32_t role = 2, std::int32_t type = 0x4004) {
  constexpr std::size_t kData = 128 + 2 * 585;
  std::string out(kData + 100, '\0');
  put_text(out, 0, "#!/usr/bin/env run-singularity\n");
  put_text(out, 32, "SIF_MAGIC");
  put_text(out, 42, "01");
  put_text(out, 45, "04");
  put(out, 88, std::uint64_t{2});
  put(out, 96, std::uint64_t{128});
  put(out, 104, std::uint64_t{2 * 585});
  put(out, 128, std::int32_t{0x4003});
  out[128 + 4] = 1;
  const std::size_t at = 128 + 585;
  put(out, at, type);
  out[at + 4] = 1;
  put(out, at + 17, std::uint64_t{kData});
  put(out, at + 25, std::uint64_t{100});
  put(out, at + 201, kind);
  put(out, at + 205, role);
  put_text(out, at + 209, "02");
  return out;
}

std::string refusal(const std::string& file) {
  const auto root = find_sif_root(as_bytes(file), "a.sif");
  EXPECT_FALSE(root);
  if (root) return {};
  EXPECT_EQ(root.error().code, Code::kBadInput);
  EXPECT_TRUE(root.error().message.starts_with("a.sif: "));
  return root.error().message;
}

TEST(Sif, FindsThePrimaryPartition) {
  const std::string file = build();
  ASSERT_TRUE(is_sif(as_bytes(file)));
  const auto root = find_sif_root(as_bytes(file), "a.sif");
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->offset, 128U + 2 * 585);
  EXPECT_EQ(root->size, 100U);
  EXPECT_EQ(root->architecture, "amd64");
}

TEST(Sif, TheHeaderTellsTheArchitectureWhereThePartitionDoesNot) {
  std::string file = build();
  put_text(file, 128 + 585 + 209, "00");
  EXPECT_EQ(find_sif_root(as_bytes(file), "a.sif")->architecture, "arm64");
  put_text(file, 45, "x9");
  EXPECT_EQ(find_sif_root(as_bytes(file), "a.sif")->architecture, "");
}

TEST(Sif, SaysWhyThereIsNoRoot) {
  EXPECT_NE(refusal(build(5)).find("encrypted"), std::string::npos);
  EXPECT_NE(refusal(build(2)).find("type 2"), std::string::npos);
  EXPECT_NE(refusal(build(1, 3)).find("no primary"), std::string::npos);
  EXPECT_NE(refusal(build(1, 2, 0x400a)).find("OCI-SIF"), std::string::npos);
  std::string unused = build();
  unused[128 + 585 + 4] = 0;
  EXPECT_NE(refusal(unused).find("no primary"), std::string::npos);
}

TEST(Sif, LyingNumbersAreErrors) {
  std::string file = build();
  put(file, 88, std::uint64_t{4097});
  EXPECT_NE(refusal(file).find("4097 descriptors"), std::string::npos);
  file = build();
  put(file, 96, ~std::uint64_t{0});
  EXPECT_NE(refusal(file).find("outside"), std::string::npos);
  file = build();
  put(file, 128 + 585 + 25, std::uint64_t{101});
  EXPECT_NE(refusal(file).find("is outside the file"), std::string::npos);
  file = build();
  put(file, 128 + 585 + 17, ~std::uint64_t{0} - 50);
  EXPECT_NE(refusal(file).find("is outside the file"), std::string::npos);
  put_text(file, 42, "02");
  EXPECT_NE(refusal(file).find("version"), std::string::npos);
  for (std::size_t size = 0; size < 128 + 2 * 585; ++size) refusal(build().substr(0, size));
}

}  // namespace
}  // namespace flense::codec
