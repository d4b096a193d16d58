#include "knowledge/images.h"
#include "base/version_numbers.h"

#include <gtest/gtest.h>

#include "knowledge/knowledge.h"

namespace flense::knowledge {
namespace {

const Images& images() {
  static const Knowledge kLoaded = *Knowledge::load();
  return kLoaded.images;
}

TEST(Images, CudaVersions) {
  EXPECT_EQ(images().cuda_version("12.4.1")->state, "");
  EXPECT_EQ(images().cuda_version("12.4.1")->cudnn, "cudnn");
  EXPECT_EQ(images().cuda_version("12.3.2")->cudnn, "cudnn9");
  EXPECT_EQ(images().cuda_version("12.2.2")->cudnn, "cudnn8");
  EXPECT_EQ(images().cuda_version("12.4.0")->state, "unsupported");
  EXPECT_EQ(images().cuda_version("10.2.89")->state, "deleted");
  EXPECT_EQ(images().cuda_version("12.7.0"), nullptr);
  EXPECT_EQ(images().cuda_near("12.4.0")->cuda, "12.4.1");
  EXPECT_EQ(images().cuda_near("11.2.1")->cuda, "11.8.0") << "the newest of the major";
  EXPECT_EQ(images().cuda_near("9.0"), nullptr);
  EXPECT_GT(compare_versions(images().newest_cuda()->cuda, "13.0"), 0);
}

TEST(Images, EveryCudaVersionHasADistribution) {
  for (const CudaImageRow& row : images().cuda) {
    bool any = false;
    for (const CudaDistributionRow& base : images().cuda_distributions)
      any = any || (compare_versions(row.cuda, base.first) >= 0 &&
                    (base.last.empty() || compare_versions(row.cuda, base.last) <= 0));
    EXPECT_TRUE(any || row.state == "deleted") << row.cuda;
  }
  for (const CudaDistributionRow& row : images().cuda_distributions)
    EXPECT_NE(images().distribution(row.distribution) != nullptr,
              row.distribution.starts_with("oraclelinux"))
        << row.distribution;
}

TEST(Images, NgcReleasesAndTheirBase) {
  const NgcRow* row = images().ngc_release("25.04");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->cuda, "12.9.0");
  EXPECT_EQ(row->distribution, "ubuntu24.04");
  EXPECT_TRUE(row->certain);
  EXPECT_EQ(images().ngc_release("24.10")->distribution, "ubuntu22.04");
  EXPECT_FALSE(images().ngc_release("23.12")->certain);
  EXPECT_EQ(images().ngc_release("18.06")->distribution, "");
  EXPECT_EQ(images().ngc_release("30.01"), nullptr);
}

TEST(Images, Repositories) {
  EXPECT_EQ(images().repository("rocm/dev-ubuntu-22.04")->vendor, "amd");
  EXPECT_NE(images().repository("rocm/pytorch")->builder, "");
  EXPECT_EQ(images().repository("nvcr.io/nvidia/l4t-base")->platform, "jetson");
  EXPECT_EQ(images().repository("ubuntu"), nullptr);
  EXPECT_EQ(images().old_repository("nvidia/cudagl")->instead.substr(0, 11), "nvidia/cuda");
  EXPECT_FALSE(images().distroless_image("gcr.io/distroless/base-debian12")->libstdcxx);
  EXPECT_TRUE(images().distroless_image("gcr.io/distroless/cc-debian12")->libstdcxx);
  EXPECT_EQ(images().codename("jammy")->distribution, "ubuntu22.04");
  EXPECT_EQ(images().codename(""), nullptr);
  EXPECT_EQ(images().ros_release("humble")->distribution, "ubuntu22.04");
  EXPECT_EQ(images().ros_release(""), nullptr);
}

TEST(Images, MonthsBetweenDates) {
  EXPECT_EQ(months_between("2025-04", "2026-11"), 19u);
  EXPECT_EQ(months_between("2026-11", "2025-04"), 0u);
  EXPECT_EQ(months_between("", "2026-11"), 0u);
  EXPECT_EQ(months_between("never", "2026-11"), 0u);
}

/// init pins only what lint would let pass.
TEST(Images, TheToolkitsOfNewProjectsAreAmongTheImages) {
  const Releases releases = Knowledge::load()->releases;
  ASSERT_FALSE(releases.toolkits.empty());
  for (const ToolkitImage& toolkit : releases.toolkits) {
    const CudaImageRow* image = images().cuda_version(toolkit.cuda);
    ASSERT_NE(image, nullptr) << toolkit.cuda;
    for (const std::string& name : toolkit.distributions) {
      const CudaDistributionRow* base = images().cuda_distribution(name);
      ASSERT_NE(base, nullptr) << name;
      EXPECT_TRUE(version_at_least(toolkit.cuda, base->first)) << toolkit.cuda << " " << name;
      EXPECT_TRUE(base->last.empty() || version_at_least(base->last, toolkit.cuda))
          << toolkit.cuda << " " << name;
    }
  }
}

}  // namespace
}  // namespace flense::knowledge
