#include "inventory/gpu_files.h"

#include <gtest/gtest.h>

namespace flense::inventory {
namespace {

image::LayerListing listing(const std::vector<std::string>& paths) {
  image::LayerListing out;
  for (const std::string& path : paths) {
    image::LayerListing::Entry entry;
    entry.path = path;
    entry.size = 100;
    EXPECT_TRUE(out.add(entry));
  }
  return out;
}

std::vector<std::string> dropped(const std::vector<std::string>& paths,
                                 const std::vector<std::string>& gpus) {
  const image::LayerListing layer = listing(paths);
  device::Targets targets;
  if (!gpus.empty()) targets = device::make_targets(gpus).value();
  std::vector<std::string> out;
  for (const std::uint32_t index : files_for_other_gpus(layer, targets))
    out.emplace_back(layer.at(index).path);
  return out;
}

std::string bitcode(const std::string& arch, const std::string& directory = "lib") {
  return directory + "/libnvshmem_device_sm_" + arch + ".bc";
}

TEST(GpuFiles, ATargetWithBitcodeOfItsOwnNeedsNoOther) {
  const std::vector<std::string> all = {bitcode("75"), bitcode("80"), bitcode("89"), bitcode("90")};
  EXPECT_EQ(dropped(all, {"sm_90"}), (std::vector{bitcode("75"), bitcode("80"), bitcode("89")}));
  EXPECT_EQ(dropped(all, {"sm_80", "sm_90"}), (std::vector{bitcode("75"), bitcode("89")}));
}

TEST(GpuFiles, ATargetWithoutBitcodeOfItsOwnKeepsEveryOlderOne) {
  const std::vector<std::string> all = {bitcode("75"), bitcode("80"), bitcode("89"), bitcode("90")};
  EXPECT_EQ(dropped(all, {"sm_86"}), (std::vector{bitcode("89"), bitcode("90")}));
  EXPECT_TRUE(dropped(all, {"sm_120"}).empty());
  // Another directory is another family.
  EXPECT_TRUE(dropped({bitcode("80", "a"), bitcode("90", "b")}, {"sm_90"}).empty());
}

TEST(GpuFiles, OnlyWhatTheNameSaysForSure) {
  EXPECT_TRUE(dropped({"lib/libnvshmem_device.bc", "lib/libnvshmem_device_sm_.bc",
                       "lib/libnvshmem_device_sm_xx.bc", "lib/libother_sm_75.bc"},
                      {"sm_90"})
                  .empty());
}

TEST(GpuFiles, TritonsOtherBackends) {
  const std::string root = "opt/venv/lib/python3.11/site-packages/triton/backends/";
  const std::vector<std::string> all = {
      root + "amd/compiler.py", root + "amd/lib/libtriton_amd_codegen.so",
      root + "nvidia/lib/cupti-blackwell/libcupti.so.13", root + "nvidia/lib/cupti/libcupti.so.12",
      root + "nvidia/lib/libdevice.10.bc"};
  EXPECT_EQ(dropped(all, {"sm_90"}), (std::vector{all[1], all[2]}));
  EXPECT_EQ(dropped(all, {"sm_100"}), (std::vector{all[1], all[3]}));
  EXPECT_EQ(dropped(all, {"sm_90", "sm_100"}), (std::vector{all[1]}));
  EXPECT_TRUE(dropped({"opt/nottriton/backends/amd/lib/x.so"}, {"sm_90"}).empty());
}

TEST(GpuFiles, NothingWithoutTargetsOrWithTargetsOfBothMakes) {
  const std::vector<std::string> all = {bitcode("75"), "triton/backends/amd/lib/ockl.bc"};
  EXPECT_TRUE(dropped(all, {}).empty());
  device::Targets both = device::make_targets({"sm_90"}).value();
  both.amd = {"gfx942"};
  EXPECT_TRUE(files_for_other_gpus(listing(all), both).empty());
}

}  // namespace
}  // namespace flense::inventory
