#include "knowledge/build_facts.h"

#include <gtest/gtest.h>

#include "knowledge/knowledge.h"

namespace flense::knowledge {

namespace {

TEST(BuildFacts, NumbersAtTheEndOfAName) {
  EXPECT_EQ(trailing_numbers("cuda-toolkit-12-4"), "12-4");
  EXPECT_EQ(trailing_numbers("nvidia-driver-550"), "550");
  EXPECT_EQ(trailing_numbers("cuda"), "");
  EXPECT_EQ(trailing_numbers("cuda-"), "");
  EXPECT_EQ(trailing_numbers("libcudnn9-cuda-12"), "12");
  EXPECT_EQ(trailing_numbers("12"), "");
  EXPECT_EQ(trailing_numbers(""), "");
}

TEST(BuildFacts, PatternsWithNumbers) {
  const Knowledge known = *Knowledge::load();
  const auto& rows = known.build.toolkit_packages;
  ASSERT_FALSE(rows.empty());
  ASSERT_NE(find_pattern(rows, "cuda-12-8"), nullptr);
  EXPECT_EQ(find_pattern(rows, "cuda-12-8")->pattern, "cuda-N-N");
  EXPECT_EQ(find_pattern(rows, "cuda-toolkit-12")->pattern, "cuda-toolkit-N");
  EXPECT_EQ(find_pattern(rows, "cuda-toolkit-12-8-config-common"), nullptr);
  EXPECT_EQ(find_pattern(rows, "cuda-libraries-12-8"), nullptr);
  EXPECT_EQ(find_pattern(rows, "cuda-12"), nullptr);
}

TEST(BuildFacts, EveryTableIsRead) {
  const BuildFacts facts = Knowledge::load()->build;
  EXPECT_GT(facts.capabilities.size(), 10U);
  EXPECT_FALSE(facts.image_capabilities.empty());
  EXPECT_NE(find_pattern(facts.driver_packages, "nvidia-driver-550-server"), nullptr);
  EXPECT_EQ(find_pattern(facts.driver_packages, "libnvidia-container1"), nullptr);
  EXPECT_NE(find_pattern(facts.driver_libraries, "libcuda.so.550.54.15"), nullptr);
  EXPECT_EQ(find_pattern(facts.driver_libraries, "libcudart.so.12"), nullptr);
  EXPECT_NE(find_pattern(facts.recommending_packages, "libcudnn9-cuda-12"), nullptr);
  EXPECT_NE(find_pattern(facts.context_waste, "data/a/b.bin"), nullptr);
  EXPECT_NE(facts.secret("HF_TOKEN"), nullptr);
  EXPECT_EQ(facts.secret("HF_TOKEN_PATH"), nullptr);
  ASSERT_NE(facts.cache("pip"), nullptr);
  EXPECT_EQ(facts.cache("pip")->home, ".cache/pip");
  EXPECT_EQ(facts.cache("cargo"), nullptr);
  EXPECT_NE(facts.large_repository("pytorch/pytorch"), nullptr);
  EXPECT_EQ(facts.large_repository("pytorch/vision"), nullptr);
  EXPECT_EQ(facts.secret_forms.front().prefix, "hf_");
  EXPECT_EQ(facts.limit("layer"), 4'000'000'000U);
  EXPECT_GT(facts.limit("no such"), facts.limit("layer"));
}

}  // namespace

}  // namespace flense::knowledge
