// What the fixtures of tests/e2e/test_host.py do not show: hostile and half-broken machines.
#include "host/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/container_toolkit.h"
#include "host/testing_tree.h"
#include "knowledge/testing_tables.h"

namespace flense::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr const char* kVersion = "proc/driver/nvidia/version";
constexpr const char* kNvrm =
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:15:33 UTC 2024\n";

TEST(Probe, AnEmptyRootHasReasonsForEverything) {
  const testing::ScratchTree scratch;
  const Profile profile = probe(scratch.machine(), knowledge::test_tables());
  EXPECT_TRUE(profile.gpus.empty());
  EXPECT_FALSE(profile.gpu_count.value);
  for (const Text* fact : {&profile.system.kernel, &profile.system.libc, &profile.system.cpu_level,
                           &profile.nvidia.module_version, &profile.nvidia.library_version,
                           &profile.nvidia.cuda, &profile.isolation.cgroups}) {
    EXPECT_FALSE(fact->value);
    EXPECT_FALSE(fact->evidence.empty());
  }
}

TEST(Probe, GarbageIsUnknownNotTrusted) {
  const testing::ScratchTree scratch;
  scratch.file(kVersion, std::string(5000, '\xff'));
  scratch.file("sys/module/nvidia/version", "not a version\n");
  scratch.file("proc/driver/nvidia/gpus/0000:17:00.0/information", std::string("\0\x1b[2J:", 6));
  scratch.file("proc/driver/nvidia/gpus/evil/information", "Model: H100\n");
  scratch.file("proc/cpuinfo", "processor\t: 0\nflags\t\t: \n");
  scratch.file("etc/docker/daemon.json", "{");
  scratch.file("usr/bin/dockerd", "");
  scratch.file("sys/bus/pci/devices/0000:17:00.0/numa_node", "-1\n");
  scratch.file("sys/bus/pci/devices/0000:17:00.0/current_link_width", "255\n");
  const Profile profile = probe(scratch.machine(), knowledge::test_tables());
  EXPECT_FALSE(profile.nvidia.module_version.value);
  ASSERT_EQ(profile.gpus.size(), 1u);
  EXPECT_FALSE(profile.gpus[0].name.value);
  EXPECT_FALSE(profile.gpus[0].architecture.value);
  EXPECT_THAT(profile.gpus[0].numa_node.evidence, HasSubstr("names no node"));
  EXPECT_FALSE(profile.gpus[0].link_width.value);
  EXPECT_FALSE(profile.system.cpu_level.value);
  ASSERT_EQ(profile.engines.size(), 1u);
  EXPECT_FALSE(profile.engines[0].cdi.value);
}

TEST(Probe, TheLibraryThatTheLinkNamesCounts) {
  const testing::ScratchTree scratch;
  scratch.file(kVersion, kNvrm);
  const std::string folder = "usr/lib/x86_64-linux-gnu/";
  scratch.file(folder + "libcuda.so.550.54.15", "");
  scratch.file(folder + "libcuda.so.535.129.03", "");
  Nvidia nvidia = probe_nvidia(scratch.machine(), {});
  EXPECT_FALSE(nvidia.library_version.value);
  EXPECT_THAT(nvidia.library_version.evidence, HasSubstr("2 versions"));
  scratch.link(folder + "libcuda.so.1", "libcuda.so.535.129.03");
  nvidia = probe(scratch.machine(), knowledge::test_tables()).nvidia;
  EXPECT_THAT(nvidia.library_version.value, Optional(std::string("535.129.03")));
  EXPECT_THAT(nvidia.agree.value, Optional(false));
  EXPECT_THAT(nvidia.cuda.value, Optional(std::string("12.2")));
}

TEST(Probe, ModuleVersionFromSysfsWhenProcIsHidden) {
  const testing::ScratchTree scratch;
  scratch.file("sys/module/nvidia/version", "550.54.15\n");
  const Nvidia nvidia = probe_nvidia(scratch.machine(), {});
  EXPECT_THAT(nvidia.module_version.value, Optional(std::string("550.54.15")));
  EXPECT_EQ(nvidia.module_version.evidence, "/sys/module/nvidia/version");
}

TEST(Probe, AnMpsDaemonThatRuns) {
  const testing::ScratchTree scratch;
  const auto mps = [&] { return probe_nvidia(scratch.machine(), {}).mps_directory; };
  EXPECT_EQ(mps(), Text());
  scratch.file("tmp/nvidia-mps/control", "");
  // Without /proc nothing speaks against it.
  EXPECT_THAT(mps().value, Optional(std::string("/tmp/nvidia-mps")));
  EXPECT_EQ(mps().evidence, "/tmp/nvidia-mps/control");
  scratch.file("proc/1/comm", "systemd\n");
  EXPECT_EQ(mps(), Text()) << "a daemon left it behind";
  scratch.file("proc/42/comm", "nvidia-cuda-mps\n");
  EXPECT_THAT(mps().value, Optional(std::string("/tmp/nvidia-mps")));
}

TEST(Probe, GpusOfTheBusWithoutADriver) {
  const testing::ScratchTree scratch;
  const std::string folder = "sys/bus/pci/devices/0000:65:00.0/";
  scratch.file(folder + "vendor", "0x10de\n");
  scratch.file(folder + "device", "0x2330\n");
  scratch.file(folder + "class", "0x030200\n");
  scratch.link(folder + "driver", "../../../../bus/pci/drivers/vfio-pci");
  scratch.file("sys/bus/pci/drivers/vfio-pci/bind", "");
  scratch.file("sys/bus/pci/devices/0000:65:00.1/vendor", "0x10de\n");
  scratch.file("sys/bus/pci/devices/0000:65:00.1/class", "0x040300\n");
  const Profile profile = probe(scratch.machine(), knowledge::test_tables());
  ASSERT_EQ(profile.gpus.size(), 1u);
  EXPECT_THAT(profile.gpus[0].pci_id.value, Optional(std::string("10de:2330")));
  EXPECT_THAT(profile.gpus[0].kernel_driver.value, Optional(std::string("vfio-pci")));
  EXPECT_THAT(profile.notices, ElementsAre(HasSubstr("not loaded"), HasSubstr("vfio-pci")));
}

TEST(Probe, HalvesOfADriver) {
  const testing::ScratchTree scratch;
  const auto nvidia = [&] { return probe(scratch.machine(), knowledge::test_tables()).nvidia; };
  EXPECT_EQ(nvidia().library.value, std::nullopt) << "no library directory was seen";
  EXPECT_EQ(nvidia().module.value, std::nullopt);
  scratch.file("usr/lib64/libc.so.6", "");
  scratch.file("proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
  scratch.file("proc/modules", "ext4 1 0 - Live 0x0\nnot_nvidia 1 0 - Live 0x0\n");
  EXPECT_THAT(nvidia().library.value, Optional(false));
  EXPECT_THAT(nvidia().module.value, Optional(false));
  const std::string index = "lib/modules/6.8.0-45-generic/modules.dep";
  scratch.file(index, "kernel/drivers/net/dummy.ko:\n");
  EXPECT_THAT(nvidia().module.value, Optional(false));
  scratch.file(index, "updates/dkms/nvidia.ko.zst:\n");
  EXPECT_EQ(nvidia().module, Flag::unknown("/" + index + ": not loaded"));
  scratch.file("proc/modules", "nvidia 56717312 2 nvidia_uvm, Live 0x0\n");
  EXPECT_THAT(nvidia().module.value, Optional(true));
  scratch.file("etc/ld.so.cache", std::string("glibc-ld.so.cache1.1\0libcuda.so.1", 33));
  EXPECT_EQ(nvidia().library.value, std::nullopt) << "the loader knows a place of its own";
  scratch.file("etc/ld.so.cache", "");
  scratch.file("etc/os-release", "ID=talos\n");
  EXPECT_EQ(nvidia().library.value, std::nullopt) << "it may lie where only Talos has it";
  scratch.file("etc/os-release", "ID=debian\n");
  EXPECT_THAT(nvidia().library.value, Optional(false));
  scratch.file(".dockerenv", "");
  EXPECT_EQ(nvidia().library.value, std::nullopt) << "a container does not see its host";
}

TEST(Probe, WhoMayOpenTheNodes) {
  const testing::ScratchTree scratch;
  const auto profile = [&] { return probe(scratch.machine(), knowledge::test_tables()); };
  EXPECT_EQ(profile().nvidia.node_access.value, std::nullopt);
  EXPECT_EQ(profile().amd.kfd.value, std::nullopt) << "no /dev was seen";
  scratch.file("dev/nvidiactl", "c 195 255 0660 0 44\n");
  EXPECT_THAT(profile().nvidia.node_access.value, Optional(std::string("0660 root:44")));
  EXPECT_THAT(profile().amd.kfd.value, Optional(false));
  scratch.file("etc/group", "root:x:0:\nvideo:x:44:\n");
  EXPECT_THAT(profile().nvidia.node_access.value, Optional(std::string("0660 root:video")));
  scratch.file("dev/kfd", "c 234 0 0666 0 44\n");
  EXPECT_THAT(profile().amd.kfd.value, Optional(true));
}

TEST(Probe, DistancesCountOnlineNodes) {
  const testing::ScratchTree scratch;
  // Node 1 is offline: the rows have two columns.
  scratch.file("sys/devices/system/node/node0/distance", "10 21\n");
  scratch.file("sys/devices/system/node/node2/distance", "21 10\n");
  scratch.file("sys/devices/pci0000:00/0000:18:00.0/numa_node", "0\n");
  scratch.link("sys/class/infiniband/mlx5_0/device", "../../../devices/pci0000:00/0000:18:00.0");
  Gpu near, far, nowhere;
  near.pci_address = Text::known("0000:17:00.0", "x");
  near.numa_node = Number::known(0, "x");
  far.pci_address = Text::known("0000:c1:00.0", "x");
  far.numa_node = Number::known(2, "x");
  nowhere.pci_address = Text::known("0000:d1:00.0", "x");
  const auto cards = probe_networks(scratch.machine(), {near, far, nowhere});
  ASSERT_EQ(cards.size(), 1u);
  EXPECT_THAT(cards[0].pci_address.value, Optional(std::string("0000:18:00.0")));
  EXPECT_THAT(cards[0].distances,
              ElementsAre(Distance{"0000:17:00.0", 10}, Distance{"0000:c1:00.0", 21}));
}

TEST(Probe, ToolkitsWithKnownVulnerabilities) {
  const auto names = [](std::string_view version) {
    std::string out;
    for (const auto& one :
         toolkit_vulnerabilities(knowledge::test_tables().container_toolkit, version))
      out += one.cve + " ";
    return out;
  };
  EXPECT_EQ(names("1.17.8-1"), "");
  EXPECT_EQ(names("1.20.0-1"), "");
  EXPECT_EQ(names("1.17.7-1"), "CVE-2025-23266 CVE-2025-23267 ");
  EXPECT_THAT(names("1.16.1-1"), HasSubstr("CVE-2024-0132"));

  const testing::ScratchTree scratch;
  scratch.file("usr/bin/nvidia-ctk", "");
  scratch.file("var/lib/dpkg/status",
               "Package: nvidia-container-toolkit\nStatus: install ok installed\n"
               "Version: 1.16.1-1\n");
  EXPECT_THAT(probe(scratch.machine(), knowledge::test_tables()).notices,
              ElementsAre(::testing::AllOf(HasSubstr("1.16.1-1 is vulnerable to CVE-2024-0132"),
                                           HasSubstr("fixed in 1.17.8"))));
}

/// A Jetson's nvidia.ko drives its display, and CUDA needs none of its nodes.
TEST(Probe, AJetsonsDisplayModuleAsksForNoNodes) {
  const testing::ScratchTree scratch;
  scratch.file("etc/nv_tegra_release", "# R36 (release), REVISION: 3.0, GCID: 1\n");
  scratch.file("proc/device-tree/compatible", std::string_view("nvidia,tegra234\0", 16));
  scratch.file(kVersion, kNvrm);
  const Profile profile = probe(scratch.machine(), knowledge::test_tables());
  EXPECT_EQ(profile.gpus.size(), 1u);
  EXPECT_THAT(profile.notices, ::testing::IsEmpty());
}

TEST(Probe, UserNamespacesAndTheirSwitches) {
  const testing::ScratchTree scratch;
  const auto allowed = [&] { return probe_isolation(scratch.machine(), {}).user_namespaces.value; };
  EXPECT_EQ(allowed(), std::nullopt);
  scratch.file("proc/sys/user/max_user_namespaces", "63000\n");
  EXPECT_EQ(allowed(), true);
  scratch.file("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
  EXPECT_EQ(allowed(), false);
  scratch.file("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
  scratch.file("proc/sys/kernel/unprivileged_userns_clone", "0\n");
  EXPECT_EQ(allowed(), false);
  scratch.file("proc/sys/kernel/unprivileged_userns_clone", "1\n");
  scratch.file("proc/sys/user/max_user_namespaces", "0\n");
  EXPECT_EQ(allowed(), false);
}

TEST(Probe, EnginesAsConfigured) {
  const testing::ScratchTree scratch;
  for (const char* program : {"dockerd", "containerd", "podman"})
    scratch.file(std::string("usr/bin/") + program, "");
  scratch.file("var/lib/dpkg/status",
               "Package: docker-ce\nStatus: install ok installed\nVersion: 5:27.3.1-1\n\n"
               "Package: containerd.io\nStatus: install ok installed\nVersion: 1.7.22-1\n\n"
               "Package: podman\nStatus: install ok installed\nVersion: 4.3.1+ds1-8\n");
  scratch.file("etc/containerd/conf.d/99-nvidia.toml",
               "enable_cdi = true\nBinaryName = \"/usr/bin/nvidia-container-runtime\"\n");
  auto engines = probe_engines(scratch.machine());
  ASSERT_EQ(engines.size(), 3u);
  EXPECT_EQ(engines[0].name, "docker");
  EXPECT_EQ(engines[0].cdi.value, false);
  EXPECT_EQ(engines[0].nvidia_runtime.value, false);
  EXPECT_EQ(engines[1].cdi.value, true);
  EXPECT_EQ(engines[2].cdi.value, true);
  EXPECT_EQ(engines[2].nvidia_runtime.value, true);
  scratch.file("etc/docker/daemon.json",
               R"({"features": {"cdi": true}, "runtimes": {"nvidia": {"path": "x"}}})");
  engines = probe_engines(scratch.machine());
  EXPECT_EQ(engines[0].cdi.value, true);
  EXPECT_EQ(engines[0].nvidia_runtime.value, true);
}

}  // namespace
}  // namespace flense::host
