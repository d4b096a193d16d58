#include "slim/candidates/gpu_files.h"

#include <elf.h>
#include <gtest/gtest.h>

namespace flense::slim {
namespace {

inventory::LayerScan scan_of(const std::vector<std::string>& paths) {
  const auto listing = std::make_shared<image::LayerListing>();
  for (const std::string& path : paths) {
    image::LayerListing::Entry entry;
    entry.path = path;
    entry.size = 100;
    EXPECT_TRUE(listing->add(entry));
  }
  inventory::LayerScan out;
  out.listing = listing;
  return out;
}

std::vector<std::string> dropped(const std::vector<std::string>& paths,
                                 const std::vector<std::string>& gpus, bool drop_vendor = false) {
  const inventory::LayerScan scan = scan_of(paths);
  device::PruneOptions rules;
  if (!gpus.empty()) rules.targets = device::make_targets(gpus).value();
  rules.drop_vendor = drop_vendor;
  std::vector<std::string> out;
  for (const std::uint32_t index : files_for_other_gpus(scan, rules))
    out.emplace_back(scan.listing->at(index).path);
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

TEST(GpuFiles, BuilderResourcesOfTensorRt) {
  const auto resource = [](const std::string& arch) {
    return "usr/lib/x86_64-linux-gnu/libnvinfer_builder_resource" + arch + ".so.10.8.0";
  };
  const std::vector<std::string> all = {
      resource("_sm75"), resource("_sm80"), resource("_sm86"),
      resource("_sm89"), resource("_sm90"), resource("_sm120"),
      resource("_ptx"),  resource(""),      "lib/libnvinfer.so.10"};
  EXPECT_EQ(dropped(all, {"sm_90"}),
            (std::vector{resource("_sm75"), resource("_sm80"), resource("_sm86"), resource("_sm89"),
                         resource("_sm120")}));
  // Orin has no file of its own and takes that of sm_86.
  EXPECT_EQ(dropped(all, {"sm_87"}), (std::vector{resource("_sm75"), resource("_sm89"),
                                                  resource("_sm90"), resource("_sm120")}));
  EXPECT_TRUE(dropped(all, {}).empty());
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
  EXPECT_TRUE(dropped(all, {"sm_90", "gfx942"}).empty());
}

TEST(GpuFiles, StandAloneCodeForAmdGoesByWhatItHolds) {
  inventory::LayerScan scan = scan_of({"a.hsaco", "b.co", "c.co", "d.co", "libx.so"});
  const auto code = [](const std::string& arch) {
    return inventory::ArchCount{"amd", "code-object", arch, 1, 10, {}, 0, 0};
  };
  scan.elf[0].machine = EM_AMDGPU;
  scan.elf[0].code = {code("gfx906")};
  scan.bare_code[1].code = {code("gfx906"), code("gfx90a:xnack+")};
  scan.bare_code[2].code = {code("gfx906"), code("gfx942")};
  scan.bare_code[3].code = {code("gfx906"), code("unknown")};
  scan.elf[4].machine = 62;
  scan.elf[4].code = {code("gfx906")};
  device::PruneOptions rules;
  rules.targets.amd = {"gfx942"};
  EXPECT_EQ(files_for_other_gpus(scan, rules), (std::set<std::uint32_t>{0, 1}));
  rules.targets.amd = {"gfx90a"};
  EXPECT_EQ(files_for_other_gpus(scan, rules), (std::set<std::uint32_t>{0, 2}));
  rules.keep_amd = true;
  EXPECT_TRUE(files_for_other_gpus(scan, rules).empty());
  rules = {};
  rules.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  EXPECT_TRUE(files_for_other_gpus(scan, rules).empty());
  rules.drop_vendor = true;
  EXPECT_EQ(files_for_other_gpus(scan, rules), (std::set<std::uint32_t>{0, 1, 2}));
}

TEST(GpuFiles, StandAloneCubinsGoByWhatTheyHold) {
  const std::vector<std::string> paths = {"a/sm90.cubin", "a/sm100a.cubin", "a/sm103.cubin",
                                          "a/none.cubin"};
  const auto dropped_for = [&](const std::vector<std::string>& gpus) {
    inventory::LayerScan scan = scan_of(paths);
    for (std::uint32_t index = 0; index < 3; ++index) {
      inventory::ElfFacts facts;
      facts.machine = EM_CUDA;
      const std::string arch = std::vector<std::string>{"sm_90", "sm_100", "sm_103"}[index];
      facts.code = {{"nvidia", "cubin", arch, 1, 100, {}, 0, 0}};
      scan.elf.emplace(index, facts);
    }
    // One that told no architecture.
    inventory::ElfFacts unknown;
    unknown.machine = EM_CUDA;
    scan.elf.emplace(3U, unknown);
    device::PruneOptions rules;
    rules.targets = device::make_targets(gpus).value();
    std::vector<std::string> out;
    for (const std::uint32_t index : files_for_other_gpus(scan, rules))
      out.emplace_back(scan.listing->at(index).path);
    return out;
  };
  EXPECT_EQ(dropped_for({"sm_90"}), (std::vector<std::string>{"a/sm100a.cubin", "a/sm103.cubin"}));
  EXPECT_EQ(dropped_for({"sm_103"}), (std::vector<std::string>{"a/sm90.cubin"}));
  EXPECT_EQ(dropped_for({"sm_100", "sm_90"}), (std::vector<std::string>{"a/sm103.cubin"}));
  EXPECT_EQ(dropped_for({"gfx942"}), std::vector<std::string>{});
}

TEST(GpuFiles, WheelsOfOtherFamiliesGoWhereOneServes) {
  const std::string site = "opt/venv/lib/python3.12/site-packages/";
  const std::vector<std::string> all = {
      site + "_rocm_sdk_core/lib/libamdhip64.so.7",
      site + "_rocm_sdk_libraries_gfx110X_all/lib/librocblas.so.5",
      site + "_rocm_sdk_libraries_gfx94X_dcgpu/lib/librocblas.so.5",
      site + "_rocm_sdk_libraries_gfx94X_dcgpu/share/x.txt"};
  EXPECT_EQ(dropped(all, {"gfx942"}), (std::vector{all[1]}));
  EXPECT_EQ(dropped(all, {"gfx1101"}), (std::vector{all[2], all[3]}));
  EXPECT_TRUE(dropped(all, {"gfx90a"}).empty()) << "what is there is all there is";
  EXPECT_TRUE(dropped(all, {"gfx942", "gfx1100"}).empty());
}

}  // namespace
}  // namespace flense::slim
