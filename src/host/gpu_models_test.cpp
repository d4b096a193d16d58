#include "host/gpu_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "knowledge/testing_tables.h"

namespace flense::host {
namespace {

namespace fs = std::filesystem;

TEST(NvidiaModels, ReadsTheDriversFiles) {
  const fs::path proc = fs::path(::testing::TempDir()) / "flense-proc";
  fs::remove_all(proc);
  EXPECT_TRUE(nvidia_models(proc).empty());
  for (const char* slot : {"0000:17:00.0", "0000:3d:00.0"}) {
    fs::create_directories(proc / "driver/nvidia/gpus" / slot);
    std::ofstream(proc / "driver/nvidia/gpus" / slot / "information")
        << "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 115\n";
  }
  EXPECT_THAT(nvidia_models(proc), ::testing::ElementsAre("NVIDIA H100 80GB HBM3"));
  fs::remove_all(proc);
}

TEST(ArchitectureOfModel, LongestProductNameWins) {
  EXPECT_EQ(architecture_of_model(knowledge::test_tables().gpus, "NVIDIA H100 80GB HBM3").value(),
            "9.0");
  EXPECT_EQ(architecture_of_model(knowledge::test_tables().gpus, "NVIDIA A100-SXM4-40GB").value(),
            "8.0");
  EXPECT_EQ(architecture_of_model(knowledge::test_tables().gpus, "NVIDIA L40S").value(), "8.9");
  EXPECT_EQ(architecture_of_model(knowledge::test_tables().gpus, "NVIDIA GeForce RTX 4070 Ti SUPER")
                .value(),
            "8.9");
  EXPECT_EQ(
      architecture_of_model(knowledge::test_tables().gpus, "NVIDIA GeForce RTX 4060 Laptop GPU")
          .value(),
      "8.9");
  EXPECT_EQ(architecture_of_model(knowledge::test_tables().gpus, "NVIDIA RTX 6000 Ada Generation")
                .value(),
            "8.9");
  EXPECT_EQ(
      architecture_of_model(knowledge::test_tables().gpus, "NVIDIA Jetson AGX Orin Developer Kit")
          .value(),
      "8.7");
  EXPECT_EQ(architecture_of_model(knowledge::test_tables().gpus, "AMD Instinct MI300X OAM").value(),
            "gfx942");
  EXPECT_FALSE(architecture_of_model(knowledge::test_tables().gpus, "Voodoo 2"));
}

TEST(ArchitectureOfModel, PartsOfWordsAreNoProduct) {
  EXPECT_FALSE(architecture_of_model(knowledge::test_tables().gpus, "NVIDIA RTX A1001"));
}

TEST(ArchitectureOfModel, EveryProductIsFoundByItsDisplayName) {
  for (const knowledge::GpuProduct& product : knowledge::test_tables().gpus.products) {
    const auto architecture = architecture_of_model(knowledge::test_tables().gpus, product.display);
    ASSERT_TRUE(architecture) << product.display;
    EXPECT_EQ(*architecture, product.architecture) << product.display;
  }
}

}  // namespace
}  // namespace flense::host
