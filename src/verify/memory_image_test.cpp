#include "verify/memory_image.h"

#include <gtest/gtest.h>

namespace flense::verify {
namespace {

/// A file of one page with these load segments.
class Built {
 public:
  explicit Built(const std::vector<elf::Segment>& loads, std::size_t size = 4096) : bytes_(size) {
    const auto put = [&](std::size_t at, auto value) { store_le(MutableBytes(bytes_), at, value); };
    put(0, std::uint32_t{0x464c457f});
    put(4, std::uint32_t{0x00010102});
    put(16, std::uint16_t{ET_DYN});
    put(18, std::uint16_t{EM_X86_64});
    put(20, std::uint32_t{1});
    put(32, std::uint64_t{64});
    put(52, std::uint16_t{64});
    put(54, std::uint16_t{56});
    put(56, static_cast<std::uint16_t>(loads.size()));
    put(58, std::uint16_t{64});
    for (std::size_t i = 0; i < loads.size(); ++i) {
      const std::size_t at = 64 + i * 56;
      put(at, std::uint32_t{PT_LOAD});
      put(at + 4, loads[i].flags);
      put(at + 8, loads[i].offset);
      put(at + 16, loads[i].address);
      put(at + 32, loads[i].file_size);
      put(at + 40, loads[i].memory_size);
    }
  }
  std::byte& at(std::size_t offset) { return bytes_[offset]; }
  Result<MemoryImage> memory() {
    TRY(file_, elf::File::parse(bytes_, "built"));
    return MemoryImage::of(*file_);
  }

 private:
  std::vector<std::byte> bytes_;
  std::optional<elf::File> file_;
};

elf::Segment load(std::uint32_t flags, std::uint64_t offset, std::uint64_t address,
                  std::uint64_t file_size, std::uint64_t memory_size) {
  return {PT_LOAD, flags, offset, address, address, file_size, memory_size, 1};
}

std::vector<MemoryDifference> differences(const MemoryImage& before, const MemoryImage& after) {
  std::vector<MemoryDifference> out;
  compare_memory(before, after, [&](const MemoryDifference& one) {
    out.push_back(one);
    return one.kind == MemoryDifference::Kind::kByte ? one.address + 1 : one.end;
  });
  return out;
}

TEST(MemoryImage, SameMemoryFromOtherPlacesOfTheFile) {
  Built before({load(PF_R, 0x800, 0x1000, 0x100, 0x200)});
  Built after({load(PF_R, 0xa00, 0x1000, 0x80, 0x80), load(PF_R, 0xc80, 0x1080, 0x80, 0x180)});
  before.at(0x800 + 0x90) = after.at(0xc80 + 0x10) = std::byte{7};
  const auto a = before.memory(), b = after.memory();
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(differences(*a, *b).empty());
  EXPECT_EQ(a->word(0x1090), std::optional<std::uint64_t>(7));
  EXPECT_EQ(a->first_other_than_zero({0x1000, 0x1200}), 0x1090U);
  EXPECT_FALSE(a->word(0x11fc).has_value());
}

TEST(MemoryImage, BytesProtectionAndGapsAreFound) {
  using Kind = MemoryDifference::Kind;
  Built before({load(PF_R, 0x800, 0x1000, 0x100, 0x200)});
  Built after({load(PF_R | PF_X, 0x800, 0x1000, 0x100, 0x180)});
  after.at(0x810) = std::byte{1};
  const auto a = before.memory(), b = after.memory();
  ASSERT_TRUE(a && b);
  const auto found = differences(*a, *b);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].kind, Kind::kFlags);
  EXPECT_EQ(found[1].kind, Kind::kByte);
  EXPECT_EQ(found[1].address, 0x1010U);
  EXPECT_EQ(found[2].kind, Kind::kFlags);
  EXPECT_EQ(found[3].kind, Kind::kUnmapped);
  EXPECT_EQ(found[3].address, 0x1180U);
}

TEST(MemoryImage, OverlappingSegmentsAreRefused) {
  Built built({load(PF_R, 0x800, 0x1000, 0x100, 0x200), load(PF_R, 0x800, 0x1100, 0x10, 0x10)});
  EXPECT_FALSE(built.memory().has_value());
}

}  // namespace
}  // namespace flense::verify
