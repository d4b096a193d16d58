// Whole specifications against tests/cdi/golden/NAME.json, and the accompanying messages against
// NAME.txt. FLENSE_UPDATE_GOLDEN=1 rewrites the files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cdi/generate/testing_machine.h"

namespace flense::cdi {
namespace {

using testing::TestMachine;

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void compare(const std::string& name, const std::string& text) {
  const std::filesystem::path path =
      std::filesystem::path(FLENSE_SOURCE_DIR) / "tests/cdi/golden" / name;
  if (std::getenv("FLENSE_UPDATE_GOLDEN") != nullptr) {
    if (text.empty())
      std::filesystem::remove(path);
    else
      std::ofstream(path, std::ios::binary) << text;
  }
  EXPECT_EQ(text, content(path)) << path;
}

void expect_golden(const std::string& name, const TestMachine& machine,
                   const GenerateOptions& options = {}) {
  const Result<Generated> made = machine.generated(options);
  ASSERT_TRUE(made) << render(made.error());
  for (const Violation& one : violations_of(made->spec))
    ADD_FAILURE() << one.place << ": " << one.message;
  compare(name + ".json", spec_text(made->spec, Format::kJson));
  std::string notices;
  for (const std::string& notice : made->notices) notices += notice + "\n";
  compare(name + ".txt", notices);
}

void eight_gpus(const TestMachine& machine) {
  machine.driver();
  for (unsigned i = 0; i < 8; ++i) machine.gpu(i, fmt::format("0000:{:02x}:00.0", 0x17 + 0x10 * i));
}

void two_cut_gpus(const TestMachine& machine) {
  machine.driver();
  machine.gpu(0, "0000:07:00.0");
  machine.gpu(1, "0000:0f:00.0");
  machine.gpu(2, "0000:47:00.0");
  machine.mig(0, 1, 12);
  machine.mig(0, 5, 48);
  machine.mig(0, 13, 120);
  machine.mig(1, 2, 156);
  machine.mig(1, 2, 156, 1);
}

TEST(Golden, OneGpu) {
  const TestMachine machine;
  machine.driver();
  machine.gpu(0, "0000:17:00.0");
  machine.file("run/nvidia-persistenced/socket");
  expect_golden("one-gpu", machine);
}

TEST(Golden, EightGpus) {
  const TestMachine machine;
  eight_gpus(machine);
  expect_golden("eight-gpus", machine);
}

TEST(Golden, MigInstancesReplaceTheirGpu) {
  const TestMachine machine;
  two_cut_gpus(machine);
  expect_golden("mig", machine);
}

TEST(Golden, MigByUuidWhereTheDriverWasAsked) {
  const TestMachine machine;
  two_cut_gpus(machine);
  GenerateOptions options;
  options.mig =
      host::MigAnswer{{"0000:07:00.0", "0000:0f:00.0", "0000:47:00.0"},
                      {{"0000:07:00.0", 0, 1, 0, "MIG-aaaaaaaa-0000-5000-8000-000000000000"},
                       // The driver has its own numbering.
                       {"0000:07:00.0", 1, 13, 0, "MIG-aaaaaaaa-0001-5000-8000-000000000000"},
                       {"0000:07:00.0", 2, 5, 0, "MIG-aaaaaaaa-0002-5000-8000-000000000000"},
                       {"0000:0f:00.0", 0, 2, 0, "MIG-bbbbbbbb-0000-5000-8000-000000000000"},
                       {"0000:0f:00.0", 1, 2, 1, ""}}};
  expect_golden("mig-asked", machine, options);
}

TEST(Golden, AllCapabilitiesWithDrm) {
  const TestMachine machine;
  machine.driver();
  machine.drawing_driver();
  machine.gpu(0, "0000:01:00.0");
  machine.drm("bus/pci/devices/0000:01:00.0", 1, 129);
  GenerateOptions options;
  options.capabilities = testing::kEverything;
  expect_golden("graphics", machine, options);
}

TEST(Golden, GroupsAndAnnotations) {
  const TestMachine machine;
  machine.driver();
  machine.gpu(0, "0000:01:00.0");
  machine.drm("bus/pci/devices/0000:01:00.0", 1, 129);
  GenerateOptions options;
  options.capabilities = {Capability::kGraphics};
  options.groups = options.annotate = true;
  expect_golden("groups", machine, options);
}

TEST(Golden, DriverRootOfTheGpuOperator) {
  const TestMachine machine;
  machine.driver("run/nvidia/driver/");
  machine.gpu(0, "0000:17:00.0");
  machine.file("run/nvidia/driver/run/nvidia-persistenced/socket");
  machine.file("run/nvidia-fabricmanager/socket");
  machine.file("usr/bin/nvidia-debugdump", "of the host");
  expect_golden("operator", machine);
}

TEST(Golden, RedHatsDirectories) {
  const TestMachine machine;
  machine.red_hat_driver();
  machine.gpu(0, "0000:01:00.0");
  machine.drm("bus/pci/devices/0000:01:00.0", 1, 129);
  const std::string lib = "usr/lib64";
  for (const char* stem : {"libnvidia-glcore", "libnvidia-eglcore", "libnvidia-tls"})
    machine.library(lib, stem, TestMachine::kVersion, "");
  for (const char* stem : {"libnvidia-encode", "libnvcuvid", "libnvidia-allocator"})
    machine.library(lib, stem, TestMachine::kVersion);
  machine.library(lib, "libGLX_nvidia", TestMachine::kVersion, ".0");
  machine.library(lib, "libnvidia-egl-gbm", "1.1.1");
  machine.library(lib + "/vdpau", "libvdpau_nvidia", TestMachine::kVersion);
  // 32-bit libraries beside a file that is not a library of the driver.
  machine.file("usr/lib/libcuda.so.550.54.15", testing::library_bytes_32());
  machine.link("usr/lib/libcuda.so.1", "libcuda.so.550.54.15");
  machine.file("usr/share/glvnd/egl_vendor.d/10_nvidia.json", "{}");
  machine.file("usr/share/vulkan/icd.d/nvidia_icd.x86_64.json", "{}");
  machine.file("usr/lib64/xorg/modules/drivers/nvidia_drv.so",
               testing::library_bytes("nvidia_drv.so"));
  machine.file("usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so.550.54.15",
               testing::library_bytes("libglxserver_nvidia.so"));
  GenerateOptions options;
  options.capabilities = testing::kEverything;
  expect_golden("red-hat", machine, options);
}

TEST(Golden, RedHatsDirectoriesInADriverRoot) {
  const TestMachine machine;
  machine.red_hat_driver("run/nvidia/driver/");
  machine.gpu(0, "0000:17:00.0");
  expect_golden("red-hat-operator", machine);
}

TEST(Golden, DeviceNodesApartFromTheDriver) {
  const TestMachine machine;
  machine.driver("opt/driver/");
  machine.control_nodes("opt/nodes/");
  machine.gpu(0, "0000:17:00.0", "opt/nodes/");
  GenerateOptions options;
  options.driver_root = "/opt/driver";
  options.dev_root = "/opt/nodes";
  expect_golden("split-dev-root", machine, options);
}

TEST(Golden, WhatGpusWorkWith) {
  const TestMachine machine;
  machine.driver();
  machine.gpu(0, "0000:17:00.0");
  machine.node("infiniband/uverbs0", 231, 192);
  machine.node("infiniband/uverbs1", 231, 193);
  machine.node("infiniband/rdma_cm", 10, 58);
  machine.node("infiniband/issm0", 231, 64);
  machine.node("gdrdrv", 238, 0);
  machine.node("nvidia-fs0", 237, 0);
  machine.node("nvidia-nvswitchctl", 239, 255);
  machine.node("nvidia-nvswitch0", 239, 0);
  machine.node("nvidia-caps-imex-channels/channel0", 507, 0);
  machine.node("nvidia-caps-imex-channels/channel1", 507, 1);
  machine.file("etc/cufile.json", "{}");
  machine.file("run/udev/control");
  machine.file("sys/module/nvidia_peermem/refcnt", "0\n");
  GenerateOptions options;
  options.with = {"rdma", "gdrcopy", "gds", "nvswitch", "imex"};
  expect_golden("with", machine, options);
  for (const Mode mode :
       {Mode::kRdma, Mode::kGdrcopy, Mode::kGds, Mode::kNvswitch, Mode::kImex, Mode::kManagement}) {
    options = {};
    options.mode = mode;
    expect_golden(fmt::format("mode-{}", mode_word(mode)), machine, options);
  }
}

TEST(Golden, Hooks) {
  const TestMachine machine;
  machine.driver();
  machine.gpu(0, "0000:17:00.0");
  machine.file("usr/bin/nvidia-cdi-hook", "program");
  GenerateOptions options;
  options.all_hooks = true;
  expect_golden("hooks", machine, options);
  options.all_hooks = false;
  options.compat_hook = true;
  options.hook_program = "/opt/nvidia-ctk";
  options.library_dirs = {"/opt/nvidia/lib"};
  expect_golden("hooks-compat", machine, options);
}

TEST(Golden, AmdCards) {
  const TestMachine machine;
  machine.amd_driver();
  for (unsigned i = 0; i < 2; ++i) {
    const std::string address = fmt::format("0000:{:02x}:00.0", 5 + 16 * i);
    machine.pci(address, "1002", "74a1", "amdgpu");
    machine.drm("bus/pci/devices/" + address, 1 + i, 128 + 8 * i, 109);
    machine.amd_node(1 + i, address, 0x4acf2b7a3cf2f5d0 + i, 128 + 8 * i);
  }
  // A display card that ROCm does not know.
  machine.pci("0000:c3:00.0", "1002", "7422", "amdgpu");
  machine.drm("bus/pci/devices/0000:c3:00.0", 9, 150, 109);
  expect_golden("amd", machine);
}

TEST(Golden, AmdPartitions) {
  const TestMachine machine;
  machine.amd_driver();
  machine.pci("0000:05:00.0", "1002", "74a1", "amdgpu");
  machine.drm("bus/pci/devices/0000:05:00.0", 1, 128, 109);
  machine.amd_node(1, "0000:05:00.0", 0x77, 128);
  for (unsigned i = 1; i < 4; ++i) {
    machine.drm(fmt::format("devices/platform/amdgpu_xcp_{}", i), 1 + i, 128 + i, 109);
    machine.amd_node(1 + i, "0000:05:00.0", 0x77, 128 + i);
  }
  GenerateOptions options;
  options.groups = true;
  expect_golden("amd-partitions", machine, options);
}

TEST(Golden, Wsl2) {
  const TestMachine machine;
  machine.file("proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n");
  machine.node("dxg", 10, 125);
  const std::string lib = "usr/lib/wsl/lib/";
  for (const char* name : {"libcuda.so.1.1", "libdxcore.so", "libnvidia-ml.so.1", "libd3d12.so",
                           "libd3d12core.so", "libnvcuvid.so.1"})
    machine.file(lib + name, testing::library_bytes(name));
  machine.link(lib + "libcuda.so.1", "libcuda.so.1.1");
  machine.link(lib + "libcuda.so", "libcuda.so.1");
  machine.file(lib + "nvidia-smi", "program");
  machine.file("usr/lib/wsl/drivers/nv_dispi.inf_amd64_0afec3f2050014a0/libcuda.so.1.1",
               testing::library_bytes("libcuda.so.1"));
  machine.file("usr/lib/wsl/drivers/iigd_dch.inf_amd64_1/igd.dll", "of another vendor");
  expect_golden("wsl2", machine);
}

TEST(Golden, Jetson) {
  const TestMachine machine;
  machine.file("proc/sys/kernel/osrelease", "5.15.136-tegra\n");
  machine.file("etc/nv_tegra_release", "# R36 (release), REVISION: 3.0, GCID: 1, BOARD: generic\n");
  const std::string lists = "etc/nvidia-container-runtime/host-files-for-container.d/";
  machine.file(lists + "devices.csv",
               "dev, /dev/nvmap\ndev, /dev/nvhost-*\ndev, /dev/nvgpu/igpu0/*\ndev, /dev/absent\n");
  machine.file(lists + "drivers.csv",
               "# libraries\r\n"
               "lib, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1\r\n"
               "sym, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so\r\n"
               "\n"
               "lib, /usr/lib/aarch64-linux-gnu/nvidia/libnvrm_*.so\n"
               "lib, /usr/lib/aarch64-linux-gnu/libEGL_nvidia.so.0\n"
               "dir, /usr/share/nvidia/tegra\n"
               "dir, /lib/firmware/absent\n");
  const std::string lib = "usr/lib/aarch64-linux-gnu/nvidia/";
  machine.file(lib + "libcuda.so.1.1", testing::library_bytes("libcuda.so.1", EM_AARCH64));
  machine.link(lib + "libcuda.so", "libcuda.so.1.1");
  machine.file(lib + "libnvrm_gpu.so", testing::library_bytes("libnvrm_gpu.so", EM_AARCH64));
  machine.file(lib + "libnvrm_mem.so", testing::library_bytes("libnvrm_mem.so", EM_AARCH64));
  machine.file("usr/lib/aarch64-linux-gnu/libEGL_nvidia.so.0",
               testing::library_bytes("libEGL_nvidia.so.0", EM_AARCH64));
  machine.file("usr/share/nvidia/tegra/config", "x");
  machine.node("nvmap", 10, 120, 0660, 44);
  machine.node("nvhost-gpu", 501, 0, 0660, 44);
  machine.node("nvhost-ctrl", 501, 1, 0660, 44);
  machine.node("nvgpu/igpu0/ctrl", 505, 0, 0660, 44);
  expect_golden("jetson", machine);
}

}  // namespace
}  // namespace flense::cdi
