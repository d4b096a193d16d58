#include "inventory/scan/scan_format.h"

#include <gtest/gtest.h>

#include "inventory/scan/testing_scan.h"

namespace flense::inventory {
namespace {

using testing::full_scan;
using testing::same;

TEST(ScanFormat, EveryMemberComesBack) {
  const LayerScan scan = full_scan();
  const std::string bytes = encode_scan(scan);
  const auto again = decode_scan(as_bytes(bytes));
  ASSERT_TRUE(again);
  EXPECT_TRUE(same(scan, *again));
  EXPECT_EQ(encode_scan(*again), bytes);
  // The comparison sees a difference in a member of a member.
  LayerScan other = *again;
  other.elf.begin()->second.code[1].zstd += 1;
  EXPECT_FALSE(same(scan, other));
  EXPECT_EQ(scan.elf.begin()->second.prune->bytes.size(), 1U);
}

TEST(ScanFormat, AnEmptyLayer) {
  LayerScan scan;
  scan.listing = std::make_shared<image::LayerListing>();
  const auto again = decode_scan(as_bytes(encode_scan(scan)));
  ASSERT_TRUE(again);
  EXPECT_TRUE(same(scan, *again));
}

TEST(ScanFormat, EveryCutIsSeen) {
  const std::string bytes = encode_scan(full_scan());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_scan(as_bytes(std::string_view(bytes).substr(0, size)))) << size;
  EXPECT_FALSE(decode_scan(as_bytes(bytes + std::string(1, '\0'))));
}

TEST(ScanFormat, AnyByteMayBeAnother) {
  // Whatever is made of it can be used: indices lie in the listing. ASan sees the rest.
  const std::string bytes = encode_scan(full_scan());
  std::size_t taken = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x40, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flip);
      const auto scan = decode_scan(as_bytes(damaged));
      if (!scan) continue;
      ++taken;
      for (const auto& [index, facts] : scan->elf) ASSERT_LT(index, scan->listing->size());
      for (const auto& [index, text] : scan->texts) ASSERT_LT(index, scan->listing->size());
      for (std::uint32_t i = 0; i < scan->listing->size(); ++i)
        static_cast<void>(scan->stored_bytes(i));
    }
  }
  // Bytes within texts and numbers are as good as others: the sum around them is what tells.
  EXPECT_GT(taken, 0U);
}

TEST(ScanFormat, IndicesBeyondTheListingAreRefused) {
  LayerScan scan = full_scan();
  scan.scripts[static_cast<std::uint32_t>(scan.listing->size())] = "sh";
  EXPECT_FALSE(decode_scan(as_bytes(encode_scan(scan))));
  scan = full_scan();
  scan.content_bytes = scan.unpacked_bytes + 1;
  EXPECT_FALSE(decode_scan(as_bytes(encode_scan(scan))));
}

TEST(ScanFormat, SignatureTellsTypesApart) {
  std::string facts, code, package;
  binary_signature<ElfFacts>(facts);
  binary_signature<ArchCount>(code);
  binary_signature<Package>(package);
  EXPECT_EQ(package, "{sssss}");
  EXPECT_EQ(code, "{sssu8u8su8u8}");
  EXPECT_NE(facts.find(code), std::string::npos);
  EXPECT_NE(scan_signature().find(facts), std::string::npos);
}

TEST(ScanFormat, PathsTakeFewBytes) {
  LayerScan scan;
  auto listing = std::make_shared<image::LayerListing>();
  std::size_t text = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string path =
        "opt/venv/lib/python3.12/site-packages/torch/include/ATen/ops/f" + std::to_string(i) + ".h";
    text += path.size();
    ASSERT_TRUE(
        listing->add({path, "", 1000, 1'700'000'000, 0644, 0, 0, codec::MemberType::kFile}));
  }
  scan.listing = listing;
  const std::string bytes = encode_scan(scan);
  EXPECT_LT(bytes.size(), text / 2);
  EXPECT_TRUE(same(scan, *decode_scan(as_bytes(bytes))));
}

}  // namespace
}  // namespace flense::inventory
