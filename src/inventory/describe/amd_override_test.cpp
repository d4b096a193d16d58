#include "inventory/describe/amd_override.h"

#include <gtest/gtest.h>

#include "device/amd_target.h"
#include "knowledge/knowledge.h"

namespace flense::inventory {
namespace {

TEST(AmdOverride, OfAllGpusAndOfOne) {
  const AmdOverride asked = amd_override({{"HSA_OVERRIDE_GFX_VERSION", "10.3.0"},
                                          {"HSA_OVERRIDE_GFX_VERSION_1", "11.0.0"},
                                          {"HSA_OVERRIDE", "9.0.0"}});
  EXPECT_EQ(asked.targets, (std::vector<std::string>{"gfx1030", "gfx1100"}));
  EXPECT_FALSE(asked.unclear);
  EXPECT_EQ(asked.evidence, "HSA_OVERRIDE_GFX_VERSION=10.3.0, HSA_OVERRIDE_GFX_VERSION_1=11.0.0");
  EXPECT_EQ(amd_override({{"HSA_OVERRIDE_GFX_VERSION", ""}}).evidence, "");
}

TEST(AmdOverride, CodeForItStaysAsWell) {
  device::PruneOptions rules;
  rules.targets.amd = {"gfx1031"};
  honour(amd_override({{"HSA_OVERRIDE_GFX_VERSION", "10.3.0"}}), rules);
  EXPECT_EQ(rules.targets.amd, (std::vector<std::string>{"gfx1030", "gfx1031"}));
  EXPECT_FALSE(rules.keep_amd);
  honour(amd_override({{"HSA_OVERRIDE_GFX_VERSION", "navi"}}), rules);
  EXPECT_TRUE(rules.keep_amd);
  // Who names no GPU of AMD does not start to serve one.
  device::PruneOptions cuda;
  honour(amd_override({{"HSA_OVERRIDE_GFX_VERSION", "10.3.0"}}), cuda);
  EXPECT_TRUE(cuda.targets.amd.empty());
}

TEST(AmdOverride, GenericProcessorsAreThoseOfTheTable) {
  const auto tables = knowledge::Knowledge::load();
  ASSERT_TRUE(tables);
  ASSERT_FALSE(tables->rocm.generic.empty());
  for (const auto& row : tables->rocm.generic)
    EXPECT_EQ(device::amd_generic_members(row.target), row.gfx) << row.target;
}

}  // namespace
}  // namespace flense::inventory
