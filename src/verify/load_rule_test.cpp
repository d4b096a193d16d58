#include "verify/load_rule.h"

#include <gtest/gtest.h>

namespace flense::verify {
namespace {

using device::CudaArch;
using Variant = CudaArch::Variant;

constexpr CudaArch gpu(unsigned number) {
  return {number, Variant::kPlain};
}

TEST(LoadRule, CubinsOfTheSameMajorUpToTheMinor) {
  EXPECT_TRUE(can_load_cubin(gpu(80), gpu(86)));
  EXPECT_TRUE(can_load_cubin(gpu(80), gpu(80)));
  EXPECT_FALSE(can_load_cubin(gpu(86), gpu(80)));
  EXPECT_FALSE(can_load_cubin(gpu(80), gpu(90)));
  EXPECT_FALSE(can_load_cubin(gpu(100), gpu(120)));
}

TEST(LoadRule, SpecificCodeStaysWhereItBelongs) {
  EXPECT_TRUE(can_load_cubin({90, Variant::kArchitecture}, gpu(90)));
  EXPECT_FALSE(can_load_cubin({100, Variant::kArchitecture}, gpu(103)));
  EXPECT_TRUE(can_load_cubin({100, Variant::kFamily}, gpu(103)));
  EXPECT_FALSE(can_load_cubin({100, Variant::kFamily}, gpu(101)));
  EXPECT_FALSE(can_load_cubin({103, Variant::kFamily}, gpu(100)));
  EXPECT_FALSE(can_load_cubin({100, Variant::kFamily}, gpu(120)));
}

TEST(LoadRule, OneGpuUnderTwoNumbers) {
  EXPECT_TRUE(can_load_cubin(gpu(101), gpu(110)));
  EXPECT_TRUE(can_load_cubin({110, Variant::kArchitecture}, gpu(101)));
  EXPECT_FALSE(loads_cubin_surely(gpu(101), gpu(110)));
}

TEST(LoadRule, NothingIsSureBetweenBoardsAndCards) {
  EXPECT_TRUE(can_load_cubin(gpu(80), gpu(87)));
  EXPECT_FALSE(loads_cubin_surely(gpu(80), gpu(87)));
  EXPECT_FALSE(loads_cubin_surely(gpu(87), gpu(89)));
  EXPECT_TRUE(loads_cubin_surely(gpu(87), gpu(87)));
  EXPECT_TRUE(loads_cubin_surely(gpu(80), gpu(86)));
  EXPECT_FALSE(loads_cubin_surely(gpu(86), gpu(80)));
}

TEST(LoadRule, AmdProcessorsAndGenericOnes) {
  EXPECT_TRUE(can_load_amd("gfx942", "gfx942"));
  EXPECT_FALSE(can_load_amd("gfx90a", "gfx942"));
  EXPECT_TRUE(can_load_amd("gfx9-4-generic", "gfx942"));
  EXPECT_FALSE(can_load_amd("gfx9-4-generic", "gfx90a"));
  EXPECT_TRUE(can_load_amd("gfx10-3-generic", "gfx1030"));
  EXPECT_FALSE(can_load_amd("gfx10-3-generic", "gfx1010"));
  // What nobody here knows might be loaded.
  EXPECT_TRUE(can_load_amd("gfx13-generic", "gfx942"));
  EXPECT_TRUE(can_load_amd("unknown", "gfx942"));
}

}  // namespace
}  // namespace flense::verify
