#include "knowledge/table_rows.h"

#include <gtest/gtest.h>

#include <set>

#include "knowledge/knowledge.h"

namespace flense::knowledge {
namespace {

TEST(TableRows, BoundsCountOnlyTheNumbersThatTheyHave) {
  EXPECT_TRUE(within("2.6.0+cu124", "2.4", "2.6"));
  EXPECT_TRUE(within("2.6.1", "", "2.6"));
  EXPECT_TRUE(within("2.10", "2.8", "2.10"));
  EXPECT_FALSE(within("2.10", "2.7", "2.9"));
  EXPECT_FALSE(within("2.3.9", "2.4", ""));
  EXPECT_TRUE(within("30.10.2", "30.10", "30.10"));
  EXPECT_FALSE(within("", "", ""));
}

TEST(TableRows, PatternsOfNames) {
  EXPECT_TRUE(matches_pattern("cuda-nvcc-*", "cuda-nvcc-12-4"));
  EXPECT_TRUE(matches_pattern("libcudnn*.so*", "libcudnn_ops.so.9"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("a*b*c", "a-b-b-c"));
  EXPECT_FALSE(matches_pattern("libcuda.so*", "libcudart.so.12"));
  EXPECT_FALSE(matches_pattern("nccl", "ncclx"));
  EXPECT_FALSE(matches_pattern("", "x"));
  EXPECT_FALSE(matches_pattern("*a*a*a*b", std::string(2000, 'a'))) << "and soon";
}

class TypedTables : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Knowledge::load();
    ASSERT_TRUE(loaded.has_value()) << render(loaded.error());
    known = *std::move(loaded);
  }
  Knowledge known;
};

TEST_F(TypedTables, EverySectionSaysWhereItIsFrom) {
  for (const char* name : {"checks",
                           "cpu_isa",
                           "errors",
                           "errors_builds",
                           "errors_clusters",
                           "errors_containers",
                           "errors_frameworks",
                           "errors_graphics",
                           "errors_libraries",
                           "errors_loader",
                           "errors_machine",
                           "errors_network",
                           "errors_rocm",
                           "errors_science",
                           "errors_statuses",
                           "errors_tools",
                           "framework_builds",
                           "glibc",
                           "launch",
                           "redistribution",
                           "rocm"}) {
    const text::Json& table = known.tables.table(name);
    EXPECT_FALSE(table["date"].text().empty()) << name;
    for (const auto& [section, value] : table.members()) {
      if (!value.is_object()) continue;
      EXPECT_FALSE(value["source"].text().empty()) << name << " " << section;
      EXPECT_FALSE(value["confidence"].text().empty()) << name << " " << section;
      EXPECT_FALSE(value["rows"].items().empty()) << name << " " << section;
    }
  }
}

TEST_F(TypedTables, RocmTranslatesTheModulesNumber) {
  ASSERT_NE(known.rocm.module("6.10.5"), nullptr);
  EXPECT_EQ(known.rocm.module("6.10.5")->driver, "6.3");
  EXPECT_EQ(known.rocm.module("6.3.2"), nullptr) << "a release, no module";
  EXPECT_EQ(known.rocm.rows_of("6.1.3").size(), 1u);
  EXPECT_EQ(known.rocm.rows_of("30.10.1").size(), 2u) << "ROCm 7.2 and the Core SDK";
  EXPECT_TRUE(known.rocm.rows_of("6.10.5").empty());
  EXPECT_EQ(known.rocm.newest(), "10.0");
  EXPECT_NE(known.rocm.rows_of("6.1")[0]->source.find("rocm.json, drivers, amdgpu 6.1 (2026-11"),
            std::string::npos);
  // Every module's release has a row of its own.
  for (const RocmModuleRow& row : known.rocm.modules)
    EXPECT_FALSE(known.rocm.rows_of(row.driver).empty()) << row.module;
}

TEST_F(TypedTables, DistributionsByTheNamesThatTheyGiveThemselves) {
  const auto glibc = [&](std::string_view name) {
    const DistributionRow* row = known.glibc.by_name(name);
    return row == nullptr ? std::string() : row->glibc;
  };
  EXPECT_EQ(glibc("Ubuntu 22.04.4 LTS"), "2.35");
  EXPECT_EQ(glibc("Debian GNU/Linux 12 (bookworm)"), "2.36");
  EXPECT_EQ(glibc("Red Hat Enterprise Linux 9.4 (Plow)"), "2.34");
  EXPECT_EQ(glibc("Rocky Linux 8.9 (Green Obsidian)"), "2.28");
  EXPECT_EQ(glibc("Amazon Linux 2"), "2.26");
  EXPECT_EQ(glibc("Amazon Linux 2023"), "2.34");
  EXPECT_EQ(glibc("Ubuntu"), "");
  EXPECT_EQ(glibc("Void Linux"), "");
  ASSERT_NE(known.glibc.by_id("rhel", "9.4"), nullptr);
  EXPECT_EQ(known.glibc.by_id("ubuntu", ""), nullptr);
}

TEST_F(TypedTables, BuildsByVersionVariantAndPlatform) {
  const Frameworks& frameworks = known.frameworks;
  const FrameworkBuild* build = frameworks.build("torch", "2.6.0+cu124", "cu124", "amd64");
  ASSERT_NE(build, nullptr);
  EXPECT_EQ(build->cubin.back(), "9.0");
  EXPECT_EQ(build->confidence, "medium");
  EXPECT_EQ(frameworks.build("torch", "2.6.0", "cu999", "amd64"), nullptr);
  EXPECT_EQ(frameworks.build("torch", "9.0", "cu124", "amd64"), nullptr);
  ASSERT_NE(frameworks.build("torch", "2.5.1", "rocm6.2", "amd64"), nullptr);
  EXPECT_TRUE(frameworks.build("torch", "2.5.1", "rocm6.2", "amd64")->cubin.empty());
  EXPECT_EQ(frameworks.libc_of("torch", "2.6.0", "cu124")->glibc, "2.17");
  EXPECT_EQ(frameworks.libc_of("torch", "2.6.0", "cu126")->glibc, "2.28");
  EXPECT_TRUE(frameworks.is_core_library("opt/venv/lib/torch/lib/libtorch_cuda.so"));
  EXPECT_FALSE(frameworks.is_core_library("opt/lib/libmytorch_cuda.so"));
  EXPECT_TRUE(frameworks.is_core_library("ctranslate2.libs/libctranslate2.so.4.5.0"));
  EXPECT_FALSE(frameworks.is_core_library("libctranslate2.so.old"));
  EXPECT_TRUE(frameworks.is_imported_library("site-packages/torchvision/_C.so"));
  EXPECT_TRUE(frameworks.is_core_library("usr/lib/python3/dist-packages/vllm/_C.abi3.so"));
  EXPECT_FALSE(frameworks.is_core_library("usr/lib/python3/dist-packages/myvllm/_C.abi3.so"));
}

TEST(Frameworks, VariantsAndLocalVersions) {
  EXPECT_EQ(local_version("2.6.0+cu124"), "cu124");
  EXPECT_EQ(local_version("2.6.0"), "");
  EXPECT_EQ(cuda_of_variant("cu118"), "11.8");
  EXPECT_EQ(cuda_of_variant("cu92"), "9.2");
  EXPECT_EQ(cuda_of_variant("cu12torch2.6cxx11abiFALSE"), "12");
  EXPECT_EQ(cuda_of_variant("cu130"), "13.0");
  EXPECT_EQ(cuda_of_variant("cpu"), "");
  EXPECT_EQ(cuda_of_variant("cu"), "");
  EXPECT_EQ(cuda_of_variant("rocm6.2"), "");
}

TEST_F(TypedTables, ProcessorLevels) {
  EXPECT_EQ(cpu_level_number("x86-64"), 1u);
  EXPECT_EQ(cpu_level_number("x86-64-v4"), 4u);
  EXPECT_EQ(cpu_level_number("x86-64-v"), 0u);
  EXPECT_EQ(cpu_level_number("armv8"), 0u);
  ASSERT_NE(known.cpu_isa.baseline("Rocky Linux 9.3 (Blue Onyx)"), nullptr);
  EXPECT_EQ(known.cpu_isa.baseline("Rocky Linux 8.9 (Green Obsidian)"), nullptr);
  EXPECT_FALSE(known.cpu_isa.first_processors("x86-64-v3").empty());
}

TEST_F(TypedTables, FilesOfTheLicence) {
  EXPECT_NE(known.redistribution.listed_file("libcublasLt.so.12.4.5.8"), nullptr);
  EXPECT_EQ(known.redistribution.listed_file("libnvidia-ml.so.550.54.15"), nullptr);
  ASSERT_NE(known.redistribution.listed_file("libcuda.so.550.54.15"), nullptr);
  EXPECT_FALSE(known.redistribution.listed_file("libcuda.so.550.54.15")->condition.empty());
  EXPECT_NE(known.redistribution.tool("cuda-nvcc-12-4"), nullptr);
  EXPECT_EQ(known.redistribution.tool("cuda-cudart-12-4"), nullptr);
  EXPECT_NE(known.redistribution.licence("nvidia-cudnn-cu12"), nullptr);
}

TEST_F(TypedTables, LaunchFactsByName) {
  ASSERT_NE(known.launch.image("vllm/vllm-openai"), nullptr);
  EXPECT_EQ(known.launch.image("vllm/vllm-openai")->role, "serve");
  ASSERT_NE(known.launch.image("rocm/dev-ubuntu-24.04"), nullptr);
  EXPECT_EQ(known.launch.image("rocm/dev-ubuntu-24.04")->vendor, "amd");
  EXPECT_TRUE(known.launch.image("rocm/pytorch")->large) << "the first row that matches";
  EXPECT_EQ(known.launch.image("library/debian"), nullptr);
  ASSERT_NE(known.launch.argument("--data-dir"), nullptr);
  EXPECT_EQ(known.launch.argument("--data-dir")->means, "data");
  ASSERT_NE(known.launch.variable("HF_HOME"), nullptr);
  EXPECT_NE(known.launch.variable("HF_HOME")->source.find("launch.json, variables, HF_HOME"),
            std::string::npos);
  for (const auto* rows : {&known.launch.arguments, &known.launch.variables})
    for (const LaunchPathRow& row : *rows)
      EXPECT_TRUE(row.means == "data" || row.means == "output" || row.means == "model" ||
                  row.means == "cache" || row.means == "scratch" || row.means == "checkpoint")
          << row.name;
}

}  // namespace
}  // namespace flense::knowledge
