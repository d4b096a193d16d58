// Words and tables for hostile or incomplete profiles; tests/e2e/test_host.py has the machines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "report/hosts/exported.h"
#include "report/hosts/text.h"

namespace flense::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

host::Gpu gpu(std::string vendor, std::string architecture, std::string name) {
  host::Gpu out;
  out.vendor = std::move(vendor);
  if (!architecture.empty()) out.architecture = host::Text::known(std::move(architecture), "x");
  out.name = host::Text::known(std::move(name), "x");
  return out;
}

TEST(HostWords, NothingKnownGivesNothing) {
  EXPECT_THAT(build_args({}).words, IsEmpty());
  EXPECT_THAT(build_args(std::array{host::Profile()}).words, IsEmpty());
  EXPECT_THAT(node_labels({}), IsEmpty());
}

TEST(HostWords, OneArchitectureOnceAndNoDriverOfTheOtherVendor) {
  host::Profile profile;
  profile.gpus = {gpu("amd", "gfx90a", "A"), gpu("amd", "gfx90a", "A"), gpu("amd", "gfx942", "B")};
  profile.nvidia.cuda = host::Text::known("12.4", "x");
  EXPECT_THAT(
      build_args({&profile, 1}).words,
      ElementsAre(Pair("FLENSE_GPU", "gfx90a,gfx942"), Pair("PYTORCH_ROCM_ARCH", "gfx90a;gfx942"),
                  Pair("AMDGPU_TARGETS", "gfx90a;gfx942")));
}

host::Profile machine(std::string name, std::string architecture, std::string driver,
                      std::string level, std::uint64_t cpus, std::uint64_t gib) {
  host::Profile out;
  out.source = std::move(name);
  out.gpus = {gpu("nvidia", std::move(architecture), "X")};
  if (!driver.empty()) out.nvidia.module_version = host::Text::known(std::move(driver), "x");
  if (!level.empty()) out.system.cpu_level = host::Text::known(std::move(level), "x");
  out.system.cpus = host::Number::known(cpus, "x");
  out.system.memory_bytes = host::Number::known(gib << 30, "x");
  return out;
}

TEST(HostWords, AFleetHasEveryArchitectureAndWhatTheWeakestHas) {
  const std::array fleet = {machine("a", "10.0", "570.86.15", "x86-64-v4", 96, 1024),
                            machine("b", "9.0", "535.129.03", "x86-64-v3", 64, 1024),
                            machine("c", "8.9", "550.54.15", "x86-64-v4", 128, 64)};
  const BuildArgs args = build_args(fleet);
  EXPECT_THAT(args.left_out, IsEmpty());
  EXPECT_THAT(
      args.words,
      ElementsAre(Pair("FLENSE_GPU", "sm_89,sm_90,sm_100"), Pair("CUDAARCHS", "89;90;100"),
                  Pair("CMAKE_CUDA_ARCHITECTURES", "89;90;100"),
                  Pair("TORCH_CUDA_ARCH_LIST", "8.9;9.0;10.0"),
                  Pair("NVIDIA_DRIVER_VERSION", "535.129.03"), Pair("CPU_MARCH", "x86-64-v3"),
                  Pair("CPU_AVX", "avx2"), Pair("MAX_JOBS", "7")));
}

TEST(HostWords, WhatOneMachineDoesNotTellIsNotGuessedFromTheOthers) {
  const std::array fleet = {machine("a", "9.0", "570.86.15", "x86-64-v4", 96, 1024),
                            machine("gpu-7", "9.0", "", "", 2, 1024)};
  const BuildArgs args = build_args(fleet);
  EXPECT_THAT(args.words, ElementsAre(Pair("FLENSE_GPU", "sm_90"), Pair("CUDAARCHS", "90"),
                                      Pair("CMAKE_CUDA_ARCHITECTURES", "90"),
                                      Pair("TORCH_CUDA_ARCH_LIST", "9.0"), Pair("MAX_JOBS", "2")));
  EXPECT_THAT(args.left_out, ElementsAre("NVIDIA_DRIVER_VERSION: that of 'gpu-7' is unknown",
                                         "CPU_MARCH: the processor of 'gpu-7' is unknown",
                                         "CPU_AVX: the processor of 'gpu-7' is unknown"));
}

TEST(HostWords, HostileNamesStayLabels) {
  host::Profile profile;
  profile.gpus = {gpu("nvidia", "9.0$(x)", "--\x1b[2J `reboot` " + std::string(200, 'x') + "--")};
  for (const auto& [name, value] : node_labels(profile)) {
    EXPECT_LE(value.size(), 63u) << name;
    EXPECT_EQ(value.find_first_of(" $()`\x1b["), std::string::npos) << value;
    EXPECT_NE(value.front(), '-');
  }
  for (const auto& [name, value] : build_args({&profile, 1}).words)
    EXPECT_EQ(value.find_first_of(" $()`\x1b["), std::string::npos) << value;
}

TEST(HostWords, GpusThatNobodyKnowsAreNamed) {
  host::Profile profile;
  profile.gpus = {gpu("nvidia", "", "NVIDIA Example"), gpu("nvidia", "9.0", "NVIDIA H100")};
  EXPECT_THAT(gpus_without_architecture(profile), ElementsAre("NVIDIA Example"));
}

TEST(HostText, UnknownFactsSayWhyAndHostileOnesAreHarmless) {
  host::Profile profile;
  profile.source = "evil\x1b[2J.json";
  profile.gpus = {gpu("nvidia", "9.0", "name\x1b]0;x\x07")};
  profile.system.kernel = host::Text::unknown("because \x1b[31m");
  profile.notices = {"note\nwith \x1b lines"};
  const std::string text = host_text(profile, {{}, false, true});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("because"));
  EXPECT_THAT(text, HasSubstr("9.0"));
}

}  // namespace
}  // namespace flense::report
