#include "host/driver_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

Profile two_gpus() {
  Profile out;
  for (const char* address : {"0000:17:00.0", "0000:c1:00.0"}) {
    Gpu gpu;
    gpu.vendor = "nvidia";
    gpu.pci_address = Text::known(address, "/sys");
    gpu.name = Text::known("NVIDIA H100 80GB HBM3", "/proc");
    gpu.architecture = Text::known("9.0", "PCI id");
    gpu.memory_bytes = Number::known(80ull << 30, "by its name");
    gpu.mig = Flag::unknown("no instances");
    out.gpus.push_back(gpu);
  }
  return out;
}

// As nvidia-smi 550.54.15 prints them.
constexpr const char* kGpus =
    "0, 00000000:17:00.0, GPU-1, NVIDIA H100 80GB HBM3, 9.0, 81559, Default, Enabled, Disabled, "
    "550.54.15\n"
    "1, 00000000:C1:00.0, GPU-2, NVIDIA H100 80GB HBM3, 9.0, 81559, Exclusive_Process, Disabled, "
    "Enabled, 550.54.15\n";
constexpr const char* kTopology =
    "\t\x1b[4mGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
    "GPU0\t X \tNV18\tPIX\t0-55\t0\t\tN/A\n"
    "GPU1\tNV18\t X \tSYS\t56-111\t1\t\tN/A\n"
    "NIC0\tPIX\tSYS\t X \n"
    "\nLegend:\n\n  X    = Self\n  NV#  = Connection traversing a bonded set of # NVLinks\n";

TEST(DriverQuery, FillsWhatFilesDoNotTell) {
  Profile profile = two_gpus();
  add_answer(profile, {kGpus, kTopology});
  EXPECT_THAT(profile.notices, IsEmpty());
  const Gpu& first = profile.gpus[0];
  const Gpu& second = profile.gpus[1];
  EXPECT_THAT(first.uuid.value, Optional(std::string("GPU-1")));
  EXPECT_THAT(first.memory_bytes.value, Optional(81559ull << 20));
  EXPECT_THAT(first.compute_mode.value, Optional(std::string("Default")));
  EXPECT_THAT(second.compute_mode.value, Optional(std::string("Exclusive_Process")));
  EXPECT_THAT(first.persistence.value, Optional(true));
  EXPECT_THAT(second.persistence.value, Optional(false));
  EXPECT_THAT(first.mig.value, Optional(false));
  EXPECT_THAT(second.mig.value, Optional(true));
  ASSERT_TRUE(first.nvlink_peers.value && second.nvlink_peers.value);
  EXPECT_THAT(*first.nvlink_peers.value, ElementsAre("0000:c1:00.0"));
  EXPECT_THAT(*second.nvlink_peers.value, ElementsAre("0000:17:00.0"));
  EXPECT_THAT(first.compute_mode.evidence, HasSubstr("nvidia-smi"));
}

TEST(DriverQuery, WhatAGpuDoesNotHaveStaysUnknown) {
  Profile profile = two_gpus();
  add_answer(profile,
             {"0, 00000000:17:00.0, [N/A], , 9.0, [N/A], [Not Supported], [N/A], [N/A], 1\n", ""});
  EXPECT_FALSE(profile.gpus[0].uuid.value);
  EXPECT_FALSE(profile.gpus[0].mig.value);
  EXPECT_EQ(profile.gpus[0].mig.evidence, "no instances");
  EXPECT_THAT(profile.gpus[0].name.value, Optional(std::string("NVIDIA H100 80GB HBM3")));
  EXPECT_THAT(profile.gpus[0].memory_bytes.value, Optional(80ull << 30));
  EXPECT_FALSE(profile.gpus[0].nvlink_peers.value);
}

TEST(DriverQuery, AnotherDriverThanTheFilesSayIsToldOnce) {
  Profile profile = two_gpus();
  profile.nvidia.module_version = Text::known("550.54.15", "/proc/driver/nvidia/version");
  add_answer(profile, {kGpus, kTopology});
  EXPECT_THAT(profile.notices, IsEmpty());
  profile.nvidia.module_version = Text::known("535.129.03", "/proc/driver/nvidia/version");
  add_answer(profile, {kGpus, kTopology});
  EXPECT_THAT(profile.notices,
              ElementsAre("the driver is 535.129.03 by /proc/driver/nvidia/version "
                          "and 550.54.15 by nvidia-smi"));
}

TEST(DriverQuery, GpusThatWindowsLends) {
  Profile profile;
  profile.system.wsl2 = Flag::known(true, "/proc/version");
  profile.gpu_count = Number::unknown("WSL2");
  add_answer(profile, {kGpus, ""});
  ASSERT_EQ(profile.gpus.size(), 2u);
  EXPECT_THAT(profile.gpu_count.value, Optional(2u));
  EXPECT_THAT(profile.gpus[1].name.value, Optional(std::string("NVIDIA H100 80GB HBM3")));
  EXPECT_THAT(profile.gpus[1].architecture.value, Optional(std::string("9.0")));
  EXPECT_THAT(profile.notices, IsEmpty());
}

TEST(DriverQuery, ContradictionsAndStrangersAreToldAndNothingIsLost) {
  Profile profile = two_gpus();
  const Profile before = profile;
  add_answer(profile, {"0, 00000000:17:00.0, GPU-1, NVIDIA H200, 9.0, 143771, Default, Enabled, "
                       "Disabled, 550.54.15\n"
                       "7, 00000000:FF:00.0, GPU-7, NVIDIA L4, 8.9, 23034, Default, Enabled, "
                       "[N/A], 550.54.15\n"
                       "Unable to determine the device handle\n",
                       "GPU0\tNV1\n\tGPU0\tGPU9\nGPU9\tX\nGPU0\t\tNV4\tNV4\tNV4\n"});
  ASSERT_EQ(profile.notices.size(), 3u);
  EXPECT_THAT(profile.notices[0], HasSubstr("NVIDIA H100 80GB HBM3 by /proc and NVIDIA H200"));
  EXPECT_THAT(profile.notices[1], HasSubstr("0000:ff:00.0"));
  EXPECT_THAT(profile.notices[2], HasSubstr("cannot be parsed"));
  EXPECT_EQ(profile.gpus[1], before.gpus[1]);
  Profile untouched = before;
  add_answer(untouched, {});
  EXPECT_EQ(untouched, before);
}

}  // namespace
}  // namespace flense::host
