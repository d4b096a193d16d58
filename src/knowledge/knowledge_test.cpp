#include "knowledge/knowledge.h"
#include "base/version_numbers.h"

#include <gtest/gtest.h>

#include "knowledge/testing_tables.h"

namespace flense::knowledge {
namespace {

TEST(Knowledge, RowsNameThemselves) {
  const Drivers& drivers = test_tables().drivers;
  ASSERT_NE(drivers.branch(550), nullptr);
  EXPECT_EQ(drivers.branch(550)->cuda, "12.4");
  EXPECT_EQ(drivers.branch(550)->source,
            "cuda_driver.json, branches, branch 550 (" + drivers.date + ")");
  EXPECT_NE(drivers.branch(525)->source.find("confidence low"), std::string::npos);
  EXPECT_EQ(drivers.branch(585), nullptr);
  EXPECT_EQ(drivers.branch_below(585)->branch, 580u);
  EXPECT_EQ(drivers.branch_below(100), nullptr);
  EXPECT_EQ(drivers.minor_version(12)->driver, "525.60.13");
  EXPECT_EQ(drivers.toolkit("12.4")->driver, "550.54.14");
  EXPECT_EQ(drivers.toolkit("12.7"), nullptr);
}

TEST(Knowledge, PtxByIsaAndByCuda) {
  const Architectures& tables = test_tables().architectures;
  EXPECT_EQ(tables.ptx_of_isa("8.4")->cuda, "12.4");
  EXPECT_EQ(tables.ptx_of_isa("8.5")->cuda, "12.5");
  EXPECT_EQ(tables.ptx_of_cuda("12.6")->isa, "8.5");
  EXPECT_EQ(tables.ptx_of_isa("5.1")->isa, "6.0") << "the next newer row";
  EXPECT_EQ(tables.ptx_of_isa("99.0"), nullptr);
  EXPECT_EQ(tables.ptx_of_cuda("5.0"), nullptr);
  for (std::size_t i = 1; i < tables.ptx.size(); ++i) {
    EXPECT_LT(compare_versions(tables.ptx[i - 1].isa, tables.ptx[i].isa), 0);
    EXPECT_LT(compare_versions(tables.ptx[i - 1].cuda, tables.ptx[i].cuda), 0);
  }
}

TEST(Knowledge, TheTablesFitEachOther) {
  const Knowledge& tables = test_tables();
  for (const ArchitectureRow& row : tables.architectures.rows) {
    EXPECT_FALSE(row.codename.empty()) << row.architecture;
    EXPECT_FALSE(row.first_cuda.empty()) << row.architecture;
  }
  for (const CompatRow& row : tables.forward_compat.matrix) {
    EXPECT_NE(tables.drivers.toolkit(row.cuda), nullptr) << row.cuda;
    for (const auto& [branch, cell] : row.cells) {
      const BranchRow* native = tables.drivers.branch(branch);
      ASSERT_NE(native, nullptr) << branch;
      const int order = compare_versions(native->cuda, row.cuda);
      const CompatCell expected = order < 0    ? CompatCell::kSupported
                                  : order == 0 ? CompatCell::kNative
                                               : CompatCell::kTooOld;
      EXPECT_EQ(cell, expected) << row.cuda << " on " << branch;
    }
  }
}

TEST(Knowledge, ReleasesOfFlenseCanBeDownloaded) {
  const auto own = Knowledge::load({{{"releases", "/own/releases.json", R"({"flense": {
      "downloads": "https://x.example", "rows": [{"version": "9.8.7"}]}})"}}});
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->releases.flense.front().url,
            "https://x.example/v9.8.7/flense-9.8.7-linux-x86_64.tar.gz");
  for (const FlenseRelease& row : test_tables().releases.flense)
    EXPECT_TRUE(row.url.starts_with("https://")) << row.url << ": `downloads` is the address";
}

TEST(GpuClass, EveryProductHasOne) {
  const ForwardCompat& tables = test_tables().forward_compat;
  for (const GpuProduct& product : test_tables().gpus.products) {
    if (product.vendor != "nvidia") continue;
    const GpuClass* by_name = tables.class_of(product.name);
    ASSERT_NE(by_name, nullptr) << product.name;
    EXPECT_EQ(tables.class_of(product.display), by_name) << product.display;
    for (const std::string& alias : product.aliases)
      EXPECT_EQ(tables.class_of(alias), by_name) << alias;
  }
}

TEST(GpuClass, ByTheNameThatTheDriverTells) {
  const ForwardCompat& tables = test_tables().forward_compat;
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"NVIDIA H100 80GB HBM3", "data-centre"},
      {"NVIDIA A100-SXM4-40GB", "data-centre"},
      {"Tesla T4", "data-centre"},
      {"Tesla V100-PCIE-16GB", "data-centre"},
      {"NVIDIA L40S", "data-centre"},
      {"NVIDIA GeForce RTX 4090", "geforce"},
      {"NVIDIA GeForce RTX 5070 Laptop GPU", "geforce"},
      {"GeForce GTX 1080 Ti", "geforce"},
      {"NVIDIA TITAN RTX", "titan"},
      {"TITAN V", "titan"},
      {"Quadro RTX 6000", "professional"},
      {"NVIDIA RTX A6000", "professional"},
      {"NVIDIA RTX 6000 Ada Generation", "professional"},
      {"NVIDIA Jetson AGX Orin Developer Kit", "embedded"}};
  for (const auto& [name, expected] : cases) {
    const GpuClass* found = tables.class_of(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->name, expected) << name;
  }
  EXPECT_EQ(tables.class_of("NVIDIA X9000"), nullptr);
  EXPECT_EQ(tables.class_of(""), nullptr);
  EXPECT_EQ(tables.brand_name(2), "tesla");
  EXPECT_EQ(tables.brand_name(77), "unknown");
}

TEST(Knowledge, OwnRowsWin) {
  const auto own = Knowledge::load({{{"cuda_driver", "/own/cuda_driver.json", R"({"branches": {
      "rows": [{"branch": 550, "cuda_native": "12.5", "type": "PB"},
               {"branch": 700, "cuda_native": "14.0", "type": "NFB"}]}})"}}});
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->drivers.branch(550)->cuda, "12.5");
  EXPECT_EQ(own->drivers.newest_branch()->branch, 700u);
  EXPECT_NE(own->drivers.branch(700)->source.find("/own/cuda_driver.json"), std::string::npos);
}

}  // namespace
}  // namespace flense::knowledge
