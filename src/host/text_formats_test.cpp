#include "host/text_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::host {
namespace {

using ::testing::Optional;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(Parse, Pairs) {
  EXPECT_EQ(value_of(colon_pairs("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 115\n"), "Model"),
            "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(value_of(colon_pairs("Video BIOS: \t 96.00:74\n"), "Video BIOS"), "96.00:74");
  EXPECT_EQ(value_of(blank_pairs("simd_count 304\ngfx_target_version 90402\n"), "simd_count"),
            "304");
  EXPECT_EQ(value_of(assignments("# x=1\nID=debian\nNAME='Debian \x1b[31m'\n"), "NAME"),
            "Debian [31m");
  EXPECT_EQ(value_of(assignments("ID=debian"), "VERSION_ID"), "");
  EXPECT_EQ(clean(std::string(1000, 'x')).size(), 256u);
}

TEST(Parse, NvidiaVersion) {
  const auto closed = parse_nvidia_version(
      "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n"
      "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n");
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->version, "535.129.03");
  EXPECT_FALSE(closed->open);
  const auto open = parse_nvidia_version(
      "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build "
      "(dvs-builder@U16)  Tue Mar  5 22:15:33 UTC 2024\n");
  ASSERT_TRUE(open);
  EXPECT_EQ(open->version, "550.54.15");
  EXPECT_TRUE(open->open);
  EXPECT_FALSE(parse_nvidia_version("GCC version: gcc version 535.1.1"));
  EXPECT_FALSE(parse_nvidia_version("NVRM version: NVIDIA UNIX"));
}

TEST(Parse, DriverVersions) {
  for (const char* good : {"550.54.15", "615.31", "450.36.06"})
    EXPECT_TRUE(is_driver_version(good)) << good;
  for (const char* bad : {"", "1", "1.1", "550", "550.", ".550.1", "550.x", "550.54.15.1", "12.4",
                          "5500.1.1", "550.123456.1", "550.54.15 "})
    EXPECT_FALSE(is_driver_version(bad)) << bad;
}

TEST(Parse, Tegra) {
  EXPECT_THAT(parse_tegra_release("# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic"),
              Optional(std::string("36.3.0")));
  EXPECT_FALSE(parse_tegra_release("# Rx (release)"));
  using namespace std::string_view_literals;
  EXPECT_THAT(tegra_architecture("nvidia,p3701-0000\0nvidia,tegra234\0"sv),
              Optional(std::string("8.7")));
  EXPECT_FALSE(tegra_architecture("nvidia,tegra2345\0"sv));
}

TEST(Parse, AmdNames) {
  // Samples of the kernel's decimal encoding against LLVM's names.
  EXPECT_THAT(gfx_name(90402), Optional(std::string("gfx942")));
  EXPECT_THAT(gfx_name(90010), Optional(std::string("gfx90a")));
  EXPECT_THAT(gfx_name(110501), Optional(std::string("gfx1151")));
  EXPECT_THAT(gfx_name(90006), Optional(std::string("gfx906")));
  EXPECT_FALSE(gfx_name(0));
  EXPECT_FALSE(gfx_name(99999999));
  EXPECT_EQ(pci_address_of_location(0, 0xc100), "0000:c1:00.0");
  EXPECT_EQ(pci_address_of_location(1, 0x3a08 | 1), "0001:3a:01.1");
}

TEST(Parse, PciAndLinks) {
  EXPECT_THAT(pci_address("0000:3D:00.0"), Optional(std::string("0000:3d:00.0")));
  EXPECT_THAT(pci_address("00010000:00:01.0\n"), Optional(std::string("00010000:00:01.0")));
  for (const char* bad : {"", "3d:00.0", "0000:3d:00", "0000:3d:00.00", "0000:3g:00.0", "../../.."})
    EXPECT_FALSE(pci_address(bad)) << bad;
  EXPECT_THAT(link_speed("32.0 GT/s PCIe\n"), Optional(std::string("32.0 GT/s")));
  EXPECT_FALSE(link_speed("Unknown\n"));
}

TEST(Parse, CpuLevels) {
  std::vector<std::string> flags = {"fpu", "cx8", "cmov", "mmx",     "fxsr",
                                    "sse", "lm",  "sse2", "syscall", "avx512f"};
  EXPECT_THAT(cpu_level(flags), Optional(std::string("x86-64-v1")));
  for (const char* flag : {"pni", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt", "lahf_lm"})
    flags.emplace_back(flag);
  EXPECT_THAT(cpu_level(flags), Optional(std::string("x86-64-v2")));
  for (const char* flag : {"fma", "movbe", "avx", "f16c", "abm", "bmi1", "avx2"})
    flags.emplace_back(flag);
  EXPECT_THAT(cpu_level(flags), Optional(std::string("x86-64-v2")));
  flags.emplace_back("bmi2");
  EXPECT_THAT(cpu_level(flags), Optional(std::string("x86-64-v3")));
  EXPECT_FALSE(cpu_level({"asimd"}));
}

TEST(Parse, Packages) {
  constexpr std::string_view kDpkg =
      "Package: podman\nStatus: deinstall ok config-files\nVersion: 3.0\n\n"
      "Package: docker-ce\nStatus: install ok installed\nVersion: 5:27.3.1-1\n\n"
      "Package: podman\nStatus: install ok installed\nVersion: 4.3.1\n";
  EXPECT_THAT(dpkg_version(kDpkg, "docker-ce"), Optional(std::string("5:27.3.1-1")));
  EXPECT_THAT(dpkg_version(kDpkg, "podman"), Optional(std::string("4.3.1")));
  EXPECT_FALSE(dpkg_version(kDpkg, "docker"));
  EXPECT_THAT(apk_version("P:musl\nV:1.2.5-r0\n\nP:podman\nV:5.1\n", "podman"),
              Optional(std::string("5.1")));
}

TEST(Parse, Toml) {
  constexpr std::string_view kToml =
      "# enable_cdi = false\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  enable_cdi = true # yes\n"
      "  runtime = \"runc\"\n";
  EXPECT_THAT(toml_value(kToml, "enable_cdi"), Optional(std::string("true")));
  EXPECT_THAT(toml_value(kToml, "runtime"), Optional(std::string("runc")));
  EXPECT_FALSE(toml_value(kToml, "enable"));
  EXPECT_TRUE(mentions(kToml, "runc"));
  EXPECT_FALSE(mentions("  # nvidia-container-runtime\n", "nvidia"));
}

TEST(Parse, Small) {
  EXPECT_EQ(glibc_version("GNU C Library, of no version"), "");
  EXPECT_EQ(glibc_version("xGNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"),
            "2.36");
  EXPECT_THAT(memory_in_name("NVIDIA H100 80GB HBM3"), Optional(80ull << 30));
  EXPECT_THAT(memory_in_name("NVIDIA A100-SXM4-40GB"), Optional(40ull << 30));
  EXPECT_FALSE(memory_in_name("NVIDIA GeForce RTX 4090"));
  EXPECT_FALSE(memory_in_name("NVIDIA GH200 480GB"));
  EXPECT_THAT(colon_pairs("a:1\n:2\nb\n"), UnorderedElementsAre(Pair("a", "1")));
}

}  // namespace
}  // namespace flense::host
