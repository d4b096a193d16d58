#include "device/amd_bundle.h"
#include "device/amd_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/amd_target.h"
#include "elf/testing_builder.h"
#include "support/amd_builder.h"

namespace flense::device {
namespace {

using testing::amd_bundle;
using testing::compressed_bundle;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::put;

std::vector<std::string> targets_of(const AmdBundle& bundle) {
  std::vector<std::string> out;
  for (const AmdEntry& entry : bundle.entries) out.push_back(entry.target);
  return out;
}

std::vector<AmdBundle> read(const std::string& bytes) {
  const auto bundles = read_amd_bundles(as_bytes(bytes));
  EXPECT_TRUE(bundles.has_value());
  return bundles ? *bundles : std::vector<AmdBundle>{};
}

TEST(AmdTarget, FeaturesComeInAlphabeticalOrder) {
  EXPECT_EQ(canonical_amd_target("gfx942"), "gfx942");
  EXPECT_EQ(canonical_amd_target("gfx90a:xnack-:sramecc+"), "gfx90a:sramecc+:xnack-");
  EXPECT_EQ(canonical_amd_target("gfx9-4-generic"), "gfx9-4-generic");
  for (const char* wrong : {"", "gfx", "sm_90", "gfx942:", "gfx942:fast+", "gfx942\n", "GFX942",
                            "gfx90a:xnack+:xnack+:xnack+:xnack+:xnack+"})
    EXPECT_EQ(canonical_amd_target(wrong), std::nullopt) << wrong;
}

TEST(AmdTarget, OfEntries) {
  EXPECT_EQ(amd_target_of_entry("hipv4-amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-"),
            "gfx90a:sramecc+:xnack-");
  EXPECT_EQ(amd_target_of_entry("hip-amdgcn-amd-amdhsa-gfx803"), "gfx803") << "older compilers";
  EXPECT_EQ(amd_target_of_entry("hipv4-amdgcn-amd-amdhsa--gfx10-3-generic"), "gfx10-3-generic");
  EXPECT_EQ(amd_target_of_entry("host-x86_64-unknown-linux--"), "");
  EXPECT_EQ(amd_target_of_entry("hip-spirv64-amd-amdhsa--amdgcnspirv"), "unknown");
  EXPECT_EQ(amd_target_of_entry(""), "unknown");
}

/// Expected texts are what llvm-readelf 19 prints for these flags.
TEST(AmdTarget, OfCodeObjects) {
  const auto target = [](std::uint8_t abi, std::uint32_t flags, std::uint16_t machine = 224) {
    std::string bytes = elf::testing::Builder(ET_DYN, machine).build();
    bytes[8] = static_cast<char>(abi);
    put(bytes, 48, flags);
    const auto file = elf::File::parse(as_bytes(bytes), "x");
    EXPECT_TRUE(file.has_value());
    return amd_target_of_code_object(*file);
  };
  EXPECT_EQ(target(2, 0x04c), "gfx942");
  EXPECT_EQ(target(2, 0x53f), "gfx90a") << "any is not a setting";
  EXPECT_EQ(target(2, 0xe3f), "gfx90a:sramecc+:xnack-");
  EXPECT_EQ(target(2, 0xb3f), "gfx90a:sramecc-:xnack+");
  EXPECT_EQ(target(1, 0x33f), "gfx90a:sramecc+:xnack+") << "code object version 3";
  EXPECT_EQ(target(1, 0x03f), "gfx90a");
  EXPECT_EQ(target(4, 0x01000053), "gfx10-3-generic");
  EXPECT_EQ(target(2, 0x0ff), "unknown");
  EXPECT_EQ(target(2, 0x04c, EM_X86_64), std::nullopt);
}

TEST(AmdTarget, CodeRunsOnItsProcessorAndOnMembersOfAGenericOne) {
  EXPECT_TRUE(amd_code_runs_on("gfx942", "gfx942"));
  EXPECT_FALSE(amd_code_runs_on("gfx90a", "gfx942"));
  EXPECT_TRUE(amd_code_runs_on("gfx90a:sramecc+:xnack-", "gfx90a"));
  EXPECT_TRUE(amd_code_runs_on("gfx90a", "gfx90a:xnack+"));
  EXPECT_TRUE(amd_code_runs_on("gfx90a:sramecc+", "gfx90a:xnack+"));
  EXPECT_FALSE(amd_code_runs_on("gfx90a:xnack-", "gfx90a:xnack+"));
  EXPECT_TRUE(amd_code_runs_on("gfx9-4-generic", "gfx942"));
  EXPECT_TRUE(amd_code_runs_on("gfx9-4-generic:xnack+", "gfx950"));
  EXPECT_FALSE(amd_code_runs_on("gfx9-4-generic", "gfx90a"));
  EXPECT_FALSE(amd_code_runs_on("gfx13-generic", "gfx942"));
  EXPECT_EQ(amd_processor_at("gfx90a6e.kdb"), "gfx90a");
  EXPECT_EQ(amd_processor_at("gfx90878"), "gfx908");
  EXPECT_EQ(amd_processor_at("gfx"), "");
}

TEST(AmdTarget, OverrideOfTheVersion) {
  EXPECT_EQ(amd_target_of_override("10.3.0"), "gfx1030");
  EXPECT_EQ(amd_target_of_override("9.4.2"), "gfx942");
  EXPECT_EQ(amd_target_of_override("9.0.10"), "gfx90a");
  EXPECT_EQ(amd_target_of_override("9.0.a"), "gfx90a");
  for (const char* bad : {"", "10", "10.3", "10.3.16", "a.3.0", "10.3.x", "10..0", ".3.0", "10.3.",
                          "100.3.0", "gfx1030"})
    EXPECT_EQ(amd_target_of_override(bad), "") << bad;
}

TEST(AmdBundle, ReadsTheEntriesAndNotTheHost) {
  const std::string bytes = amd_bundle({{"host-x86_64-unknown-linux--", ""},
                                        {"hipv4-amdgcn-amd-amdhsa--gfx1100", "code"},
                                        {"hipv4-amdgcn-amd-amdhsa--gfx942", "longer"}});
  const auto bundles = read(bytes);
  ASSERT_EQ(bundles.size(), 1U);
  EXPECT_THAT(targets_of(bundles[0]), ElementsAre("gfx1100", "gfx942"));
  EXPECT_EQ(bundles[0].size, bytes.size());
  EXPECT_EQ(bundles[0].compressed, 0U);
  EXPECT_EQ(bytes.substr(bundles[0].entries[1].offset, bundles[0].entries[1].size), "longer");
}

TEST(AmdBundle, SeveralWithPaddingBetween) {
  const std::string one = amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx906", "a"}});
  const std::string two = compressed_bundle(
      2,
      amd_bundle({{"host-x86_64-unknown-linux--", ""}, {"hipv4-amdgcn-amd-amdhsa--gfx90a", "b"}}));
  // Far apart, so that the search crosses its window, and with a magic number across its border.
  const std::string bytes = one + std::string(4096, '\0') + two + std::string(200'000, '\0') + one +
                            std::string((64u << 10) - one.size() - 10, '\0') + one;
  const auto bundles = read(bytes);
  ASSERT_EQ(bundles.size(), 4U);
  EXPECT_EQ(bundles[1].offset, one.size() + 4096);
  EXPECT_EQ(bundles[1].size, two.size());
  EXPECT_THAT(targets_of(bundles[1]), ElementsAre("gfx90a"));
  EXPECT_EQ(bundles[3].offset, bytes.size() - one.size());
}

TEST(AmdBundle, AnyVersionOfTheCompressedHeader) {
  const std::string plain = amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx942:xnack+", "code"}});
  for (const unsigned version : {1U, 2U, 3U}) {
    const std::string bytes = compressed_bundle(version, plain);
    const auto bundles = read(bytes + bytes);
    ASSERT_EQ(bundles.size(), 2U) << version;
    for (const AmdBundle& bundle : bundles) {
      EXPECT_EQ(bundle.compressed, version);
      EXPECT_EQ(bundle.size, bytes.size());
      EXPECT_EQ(bundle.unread, "");
      EXPECT_THAT(targets_of(bundle), ElementsAre("gfx942:xnack+"));
    }
  }
}

TEST(AmdBundle, WhatCannotBeUnpackedIsUnknownAndSaysWhy) {
  const std::string plain = amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx942", "code"}});
  std::string method = compressed_bundle(2, plain);
  put(method, 6, std::uint16_t{2});
  std::string damaged = compressed_bundle(2, plain);
  damaged[26] = '!';
  const std::string other = compressed_bundle(2, "no bundle at all, only text");
  for (const auto& [bytes, why] :
       {std::pair(method, "compressed with method 2"), std::pair(damaged, "Zstandard"),
        std::pair(other, "no offload bundle after unpacking")}) {
    const auto bundles = read(bytes);
    ASSERT_EQ(bundles.size(), 1U);
    EXPECT_THAT(bundles[0].entries, IsEmpty());
    EXPECT_THAT(bundles[0].unread, HasSubstr(why));
  }
}

TEST(AmdBundle, DamagedHeadersArePassedOver) {
  const std::string good = amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx906", "a"}});
  std::string count = good, size = good, offset = good, id = good;
  put(count, 24, std::uint64_t{1} << 40);
  put(offset, 32, ~std::uint64_t{0});
  put(size, 40, std::uint64_t{1} << 62);
  put(id, 48, std::uint64_t{1} << 30);
  for (const std::string& bad : {count, size, offset, id}) {
    EXPECT_THAT(read(bad), IsEmpty());
    EXPECT_EQ(read(bad + good).size(), 1U) << "the next one is found";
  }
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_THAT(read(good.substr(0, cut)), IsEmpty());
  std::string total = compressed_bundle(2, good);
  put(total, 8, std::uint32_t{23});
  EXPECT_THAT(read(total), IsEmpty()) << "smaller than its own header";
  put(total, 4, std::uint16_t{4});
  EXPECT_THAT(read(total), IsEmpty()) << "unknown version";
}

TEST(AmdBundle, EntriesTakeNoMoreThanTheBundleHas) {
  std::string bytes = amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx906", "0123456789"},
                                  {"hipv4-amdgcn-amd-amdhsa--gfx942", "b"}});
  const std::string id = "hipv4-amdgcn-amd-amdhsa--gfx906";
  ASSERT_EQ(read(bytes).size(), 1U);
  // Each fits in the bundle, together they do not.
  for (const std::size_t entry : {std::size_t{32}, 32 + 24 + id.size()}) {
    put(bytes, entry, std::uint64_t{0});
    put(bytes, entry + 8, std::uint64_t{bytes.size()});
  }
  EXPECT_THAT(read(bytes), IsEmpty());
}

TEST(AmdBundle, FilesFullOfDamagedHeadersAreRefused) {
  std::string bad = amd_bundle({});
  put(bad, 24, ~std::uint64_t{0});
  std::string bytes;
  for (int i = 0; i < 10'000; ++i) bytes += bad;
  EXPECT_THAT(read(bytes), IsEmpty());
  const auto refused = read_amd_bundles(as_bytes(bytes + bad));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("too many broken offload bundles"));
}

TEST(AmdBundle, SectionsThatOverlapAreRefused) {
  elf::testing::Builder builder;
  const std::string content(4096, 'x');
  for (int i = 0; i < 3; ++i)
    builder.add({.name = ".hip_fatbin", .flags = SHF_ALLOC, .address = 0x2000, .bytes = content});
  const std::string bytes = builder.build();
  const auto file = elf::File::parse(as_bytes(bytes), "x");
  ASSERT_TRUE(file.has_value());
  // 0x2000 bytes precede them.
  EXPECT_TRUE(find_amd_code(*file));
  for (int i = 0; i < 3; ++i)
    builder.add({.name = ".hip_fatbin", .flags = SHF_ALLOC, .address = 0x2000, .bytes = content});
  const std::string more = builder.build();
  EXPECT_FALSE(find_amd_code(*elf::File::parse(as_bytes(more), "x")));
}

TEST(AmdBundle, InTheSectionsOfAFile) {
  const std::string one = amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx906", "a"}});
  elf::testing::Builder builder;
  builder.add({.name = ".rodata", .flags = SHF_ALLOC, .address = 0x1000, .bytes = one});
  builder.add({.name = ".hip_fatbin", .flags = SHF_ALLOC, .address = 0x2000, .bytes = one + one});
  const std::string bytes = builder.build();
  const auto file = elf::File::parse(as_bytes(bytes), "x");
  ASSERT_TRUE(file.has_value());
  const auto code = find_amd_code(*file);
  ASSERT_TRUE(code.has_value());
  ASSERT_EQ(code->bundles.size(), 2U) << "a compiler's own text is no device code";
  EXPECT_EQ(code->bundles[1].offset, 0x2000 + one.size());
  EXPECT_EQ(code->section_bytes, 2 * one.size());
}

}  // namespace
}  // namespace flense::device
