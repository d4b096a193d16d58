#include "knowledge/instances.h"

#include <gtest/gtest.h>

#include <set>

#include "knowledge/testing_tables.h"

namespace flense::knowledge {
namespace {

const Instances& known() {
  return test_tables().instances;
}

TEST(Instances, EveryRowIsWholeAndNamesAKnownGpu) {
  std::set<std::string> seen;
  ASSERT_GT(known().types.size(), 100u);
  for (const InstanceType& type : known().types) {
    EXPECT_TRUE(seen.insert(type.provider + ":" + type.type).second) << type.type;
    const auto architectures = test_tables().gpus.resolve(type.gpu);
    ASSERT_TRUE(architectures) << type.gpu;
    EXPECT_EQ(architectures->size(), 1u) << type.gpu;
    EXPECT_TRUE(type.count >= 1 && type.count <= 16) << type.type;
    EXPECT_GE(type.memory_bytes, std::uint64_t{16} << 30) << type.type;
    EXPECT_TRUE(type.cpu == "x86_64" || type.cpu == "aarch64") << type.type;
    EXPECT_TRUE(type.source.starts_with("instances.json, 20")) << type.source;
  }
}

TEST(Instances, AreFoundInAnyLetterCase) {
  const InstanceType* type = known().find("AWS", "P5.48xlarge");
  ASSERT_NE(type, nullptr);
  EXPECT_EQ(type->gpu, "h100");
  EXPECT_EQ(type->count, 8u);
  EXPECT_EQ(type->rdma, "EFA");
  EXPECT_EQ(known().find("azure", "standard_nd96isr_h100_v5")->rdma, "InfiniBand");
  EXPECT_EQ(known().find("gcp", "p5.48xlarge"), nullptr);
}

TEST(Instances, AmdDevicesHaveKnownArchitectures) {
  ASSERT_NE(known().amd_device("74A1"), nullptr);
  EXPECT_EQ(known().amd_device("74a1")->architecture, "gfx942");
  EXPECT_TRUE(test_tables().gpus.resolve(known().amd_device("740f")->architecture));
  EXPECT_EQ(known().amd_device("2330"), nullptr);
}

}  // namespace
}  // namespace flense::knowledge
