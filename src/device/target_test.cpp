#include "device/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::device {
namespace {

using enum CudaArch::Variant;

CudaArch plain(unsigned number) {
  return {number, kPlain};
}
CudaArch specific(unsigned number) {
  return {number, kArchitecture};
}
CudaArch family(unsigned number) {
  return {number, kFamily};
}

TEST(Target, PrintsVariants) {
  EXPECT_EQ(to_string(plain(90)), "sm_90");
  EXPECT_EQ(to_string(specific(90)), "sm_90a");
  EXPECT_EQ(to_string(family(100), "compute"), "compute_100f");
}

TEST(Target, PlainCubinRunsOnLaterMinorsOfItsMajor) {
  EXPECT_TRUE(cubin_runs_on(plain(80), plain(80)));
  EXPECT_TRUE(cubin_runs_on(plain(80), plain(86)));
  EXPECT_TRUE(cubin_runs_on(plain(80), plain(89)));
  EXPECT_FALSE(cubin_runs_on(plain(86), plain(80)));
  EXPECT_FALSE(cubin_runs_on(plain(80), plain(90)));
  EXPECT_FALSE(cubin_runs_on(plain(90), plain(89)));
  EXPECT_FALSE(cubin_runs_on(plain(100), plain(120)));
  EXPECT_FALSE(cubin_runs_on(plain(103), plain(110)));
  EXPECT_TRUE(cubin_runs_on(plain(120), plain(121)));
}

TEST(Target, ArchitectureSpecificCubinRunsOnlyThere) {
  EXPECT_TRUE(cubin_runs_on(specific(90), plain(90)));
  EXPECT_FALSE(cubin_runs_on(specific(100), plain(103)));
  EXPECT_FALSE(cubin_runs_on(specific(120), plain(121)));
}

TEST(Target, FamilyCubinRunsOnItsFamilyFromItsMinorOn) {
  EXPECT_TRUE(cubin_runs_on(family(100), plain(100)));
  EXPECT_TRUE(cubin_runs_on(family(100), plain(103)));
  EXPECT_FALSE(cubin_runs_on(family(103), plain(100)));
  EXPECT_TRUE(cubin_runs_on(family(120), plain(121)));
  EXPECT_FALSE(cubin_runs_on(family(121), plain(120)));
  EXPECT_FALSE(cubin_runs_on(family(100), plain(110)));
  EXPECT_FALSE(cubin_runs_on(family(100), plain(120)));
  EXPECT_FALSE(cubin_runs_on(family(100), plain(101)));
  EXPECT_TRUE(cubin_runs_on(family(101), plain(101)));
}

TEST(Target, PtxCompilesForEverythingLater) {
  EXPECT_TRUE(ptx_compiles_for(plain(75), plain(120)));
  EXPECT_TRUE(ptx_compiles_for(plain(90), plain(90)));
  EXPECT_FALSE(ptx_compiles_for(plain(90), plain(89)));
  EXPECT_TRUE(ptx_compiles_for(specific(90), plain(90)));
  EXPECT_FALSE(ptx_compiles_for(specific(90), plain(100)));
  EXPECT_TRUE(ptx_compiles_for(family(100), plain(103)));
  EXPECT_FALSE(ptx_compiles_for(family(100), plain(120)));
}

TEST(Target, EmbeddedAndDiscretePartsAreNotCertain) {
  EXPECT_TRUE(cubin_runs_on(plain(86), plain(87)));
  EXPECT_FALSE(cubin_surely_runs_on(plain(86), plain(87)));
  EXPECT_FALSE(cubin_surely_runs_on(plain(87), plain(89)));
  EXPECT_TRUE(cubin_surely_runs_on(plain(87), plain(87)));
  EXPECT_TRUE(cubin_surely_runs_on(plain(80), plain(86)));
  EXPECT_FALSE(cubin_surely_runs_on(plain(80), plain(90)));
}

TEST(Target, RenamedThorKeepsBothNumbers) {
  EXPECT_TRUE(cubin_runs_on(specific(101), plain(110)));
  EXPECT_TRUE(cubin_runs_on(plain(110), plain(101)));
  EXPECT_TRUE(ptx_compiles_for(specific(101), plain(110)));
  EXPECT_FALSE(cubin_surely_runs_on(plain(101), plain(110)));
}

TEST(Target, ParsesArchitectureWords) {
  for (const char* word : {"sm_90", "SM_90", "90", "9.0", "compute_90", "sm_90a", "sm90"})
    EXPECT_EQ(parse_cuda_arch(word), plain(90)) << word;
  EXPECT_EQ(parse_cuda_arch("10.3"), plain(103));
  EXPECT_EQ(parse_cuda_arch("sm_120f"), plain(120));
  EXPECT_EQ(parse_cuda_arch("121"), plain(121));
  for (const char* word : {"", "h100", "9", "9.", ".0", "9.10", "sm_", "sm_9.0", "sm_090", "90b",
                           "-90", "99999", "9.0.0", "gfx942", "sm_90aa", "0.9"})
    EXPECT_EQ(parse_cuda_arch(word), std::nullopt) << word;
}

TEST(Target, ParsesAmdWords) {
  EXPECT_EQ(parse_amd_arch("gfx942"), "gfx942");
  EXPECT_EQ(parse_amd_arch("GFX90A:xnack+"), "gfx90a");
  for (const char* word : {"", "gfx", "gfx9", "942", "gfx9-generic", "gfxabc", "gfx94z"})
    EXPECT_EQ(parse_amd_arch(word), std::nullopt) << word;
}

TEST(Target, TargetsAreSortedAndUnique) {
  auto targets = make_targets({"8.6", "sm_80", "gfx942", "86", "gfx90a"});
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->text(), "sm_80,sm_86,gfx90a,gfx942");
  EXPECT_FALSE(make_targets({"h100"}));
}

}  // namespace
}  // namespace flense::device
