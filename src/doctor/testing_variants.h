// Test helper: machines broken by one small change, and the step that reports it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/testing_machine.h"

namespace flense::doctor::testing {

using Make = void (TestMachine::*)() const;

struct Variant {
  const char* name;
  Make make;
  std::function<void(const TestMachine&)> change;
  const char* first;  ///< the step that is broken first
  const char* says;   ///< part of its message
  /// Others than kBroken: the first step of that verdict, and nothing is broken.
  Verdict verdict = Verdict::kBroken;
};

inline const std::vector<Variant>& variants() {
  using M = const TestMachine&;
  constexpr Make kHost = &TestMachine::nvidia_host, kBox = &TestMachine::nvidia_container,
                 kDocker = &TestMachine::docker_host, kPodman = &TestMachine::podman_host,
                 kSwitch = &TestMachine::nvswitch_host, kRdma = &TestMachine::rdma_host,
                 kMig = &TestMachine::mig_host, kAmd = &TestMachine::amd_host,
                 kWsl = &TestMachine::wsl, kJetson = &TestMachine::jetson;
  constexpr Verdict kWarn = Verdict::kWarn;
  static const std::string kConfig = "sys/devices/pci0000:00/0000:00:01.0/0000:17:00.0/config";
  static const std::string kModules = "lib/modules/6.8.0-45-generic/";
  static const std::vector<Variant> kVariants = {
      // The bus and the kernel module.
      {"fallen off the bus", kHost, [](M m) { m.file(kConfig, "\xff\xff\xff\xff"); }, "gpu-bus",
       "fallen off"},
      {"passed through", kHost,
       [](M m) {
         m.bind("0000:17:00.0", "vfio-pci");
         m.bind("0000:65:00.0", "vfio-pci");
       },
       "gpu-free", "vfio-pci"},
      {"nouveau", kHost,
       [](M m) {
         m.no_module();
         m.bind("0000:17:00.0", "nouveau");
       },
       "module-conflict", "nouveau"},
      {"no driver installed", kHost, [](M m) { m.no_module(); }, "module-built", "not installed"},
      {"module of another kernel", kHost,
       [](M m) {
         m.no_module();
         m.file("lib/modules/6.8.0-40-generic/modules.dep", "updates/dkms/nvidia.ko.zst:\n");
       },
       "module-built", "built for kernel 6.8.0-40-generic, and 6.8.0-45-generic is running"},
      {"source that was never built", kHost, [](M m) { m.dkms_source(); }, "module-built",
       "no module is built of it for 6.8.0-45-generic"},
      {"a GPU that the branch has dropped", kHost,
       [](M m) { m.pci("0000:85:00.0", "10de", "102d", "030200", ""); }, "module-branch",
       "GPU 10de:102d at 0000:85:00.0 is of Kepler, whose last driver branch is 470"},
      {"unsigned under Secure Boot", kHost,
       [](M m) {
         m.no_module();
         m.file(kModules + "modules.dep", "updates/dkms/nvidia.ko:\n");
         m.file(kModules + "updates/dkms/nvidia.ko", "ELF");
         m.file("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
                std::string_view("\x06\0\0\0\1", 5));
       },
       "module-signature", "not signed"},
      {"signed, but not loaded", kHost,
       [](M m) {
         m.no_module();
         m.file(kModules + "modules.dep", "updates/dkms/nvidia.ko:\n");
         m.file(kModules + "updates/dkms/nvidia.ko", "ELF~Module signature appended~\n");
         m.file("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
                std::string_view("\x06\0\0\0\1", 5));
       },
       "module-loaded", "not loaded"},
      {"blacklisted", kHost,
       [](M m) {
         m.no_module();
         m.file(kModules + "modules.dep", "kernel/nvidia-550/nvidia.ko:\n");
         m.file("etc/modprobe.d/no.conf", "# why not\nblacklist nvidia\n");
       },
       "module-loaded", "/etc/modprobe.d/no.conf"},
      {"proprietary module on Blackwell", kHost,
       [](M m) {
         m.remove("proc/driver/nvidia/gpus");
         m.gpu("0000:17:00.0", 0, "NVIDIA B200");
         m.gpu("0000:65:00.0", 1, "NVIDIA B200");
       },
       "module-kind", "open kernel module"},
      {"a GPU that the module does not drive", kHost,
       [](M m) { m.remove("proc/driver/nvidia/gpus/0000:65:00.0"); }, "module-gpus",
       "0000:65:00.0"},
      {"an excluded GPU", kHost,
       [](M m) {
         m.file("proc/driver/nvidia/gpus/0000:65:00.0/information",
                "Model: \t NVIDIA H100 80GB HBM3\nDevice Minor: \t 1\nGPU Excluded:\t Yes\n");
       },
       "module-gpus", "excluded"},
      // Device nodes.
      {"no control node", kHost, [](M m) { m.remove("dev/nvidiactl"); }, "nvidia-nodes",
       "/dev/nvidiactl is missing"},
      {"no node of the second GPU", kHost, [](M m) { m.remove("dev/nvidia1"); }, "nvidia-nodes",
       "/dev/nvidia1"},
      {"a directory in place of a node", kHost,
       [](M m) {
         m.remove("dev/nvidia0");
         m.file("dev/nvidia0/x");
       },
       "nvidia-nodes", "a directory"},
      {"no uvm", kHost,
       [](M m) {
         m.remove("dev/nvidia-uvm");
         m.remove("sys/module/nvidia_uvm");
         m.file("proc/devices", "Character devices:\n195 nvidia\n");
       },
       "nvidia-uvm", "nvidia_uvm is not loaded"},
      {"uvm of an earlier boot", kBox, [](M m) { m.node("nvidia-uvm", 510, 0); }, "node-numbers",
       "major number 510, and the kernel uses 511"},
      {"a control node with a wrong minor", kHost, [](M m) { m.node("nvidiactl", 195, 254); },
       "node-numbers", "not 255"},
      {"nodes of another group", kHost, [](M m) { m.node("nvidia0", 195, 0, 0660, 33); },
       "node-access", "user 1000 may not read and write /dev/nvidia0"},
      {"nodes of the group root", kHost, [](M m) { m.node("nvidia0", 195, 0, 0660, 0); },
       "node-access", "0660, owner 0, group root"},
      {"nodes of the group video", kHost, [](M m) { m.node("nvidia0", 195, 0, 0660, 45); },
       "node-access", "group 45"},
      {"nodes that may only be read", kHost, [](M m) { m.node("nvidiactl", 195, 255, 0644); },
       "node-access", "0644"},
      {"device rules lost at a reload", kBox,
       [](M m) { m.node("nvidiactl", 195, 255, 0666, 0, "EPERM"); }, "node-access",
       "control group forbids /dev/nvidiactl"},
      {"nodes that the first program has made", kHost,
       [](M m) {
         m.remove("dev/nvidia-uvm");
         m.set_user_id("usr/bin/nvidia-modprobe");
       },
       "nvidia-uvm", "until the first CUDA program", kWarn},
      {"nodes that a helper without rights cannot make", kHost,
       [](M m) {
         m.remove("dev/nvidia-uvm");
         m.file("usr/bin/nvidia-modprobe");
       },
       "nvidia-uvm", "is missing: cuInit fails"},
      // Libraries.
      {"a driver upgraded under its module", kHost,
       [](M m) { m.library(TestMachine::kLib, "550.90.07"); }, "driver-match",
       "the kernel module is 550.54.15, and libcuda is 550.90.07"},
      {"a driver baked into the image", kBox,
       [](M m) { m.library(TestMachine::kLib, "535.129.03"); }, "driver-match", "803"},
      {"no user half", kHost,
       [](M m) {
         m.remove("usr/lib/x86_64-linux-gnu");
         m.file("usr/lib/x86_64-linux-gnu/libc.so.6", "GNU C Library stable release version 2.39.");
       },
       "driver-library", "not installed"},
      {"a cache that does not know", kHost,
       [](M m) {
         m.cache({});
         m.remove("usr/lib/x86_64-linux-gnu/libcuda.so.1");
         m.library("opt/nvidia/lib/", TestMachine::kVersion);
         m.file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
         m.file("etc/ld.so.conf.d/nvidia.conf", "# driver\n/opt/nvidia/lib\n");
       },
       "driver-library", "/etc/ld.so.cache does not name it"},
      {"a cache that does not know, by a relative include", kHost,
       [](M m) {
         m.cache({});
         m.remove("usr/lib/x86_64-linux-gnu/libcuda.so.1");
         m.library("opt/nvidia/lib/", TestMachine::kVersion);
         m.file("etc/ld.so.conf", "include ld.so.conf.d/*.conf\n");
         m.file("etc/ld.so.conf.d/nvidia.conf", "/opt/nvidia/lib\n");
       },
       "driver-library", "/etc/ld.so.cache does not name it"},
      {"a library for another processor", kBox,
       [](M m) { m.file("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15", elf_header(kAArch64)); },
       "driver-library", "for another processor"},
      {"a stub first in the path", kBox,
       [](M m) {
         m.file("usr/local/cuda/lib64/stubs/libcuda.so", elf_header(kX86_64));
         m.link("usr/local/cuda/lib64/stubs/libcuda.so.1", "libcuda.so");
         m.environment["LD_LIBRARY_PATH"] = "/usr/local/cuda/lib64/stubs:/usr/local/cuda/lib64";
       },
       "library-usable", "stub"},
      {"an empty name that docker commit left", kBox,
       [](M m) { m.file("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15", ""); }, "library-usable",
       "empty file"},
      {"no library at all", kHost,
       [](M m) { m.file("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15", "#!/bin/sh\n"); },
       "library-usable", "not a library"},
      {"an older compatibility package first", kBox,
       [](M m) {
         m.library("usr/local/cuda-12.2/compat/", "535.129.03");
         m.environment["LD_LIBRARY_PATH"] = "/usr/local/cuda-12.2/compat";
       },
       "compat-library", "803"},
      {"forward compatibility on GeForce", kBox,
       [](M m) {
         m.geforce();
         m.library("usr/local/cuda-12.8/compat/", "570.86.10");
         m.environment["LD_LIBRARY_PATH"] = "/usr/local/cuda-12.8/compat";
       },
       "compat-library", "804"},
      {"musl", kBox,
       [](M m) {
         m.remove("usr/lib/x86_64-linux-gnu/libc.so.6");
         m.file("lib/ld-musl-x86_64.so.1");
       },
       "driver-libc", "musl"},
      // Variables and containers.
      {"no visible device", kHost, [](M m) { m.environment["CUDA_VISIBLE_DEVICES"] = ""; },
       "cuda-visible-devices", "set and empty"},
      {"minus one", kHost, [](M m) { m.environment["CUDA_VISIBLE_DEVICES"] = "-1"; },
       "cuda-visible-devices", "'-1'"},
      {"an index beyond", kHost, [](M m) { m.environment["CUDA_VISIBLE_DEVICES"] = "2"; },
       "cuda-visible-devices", "there is no GPU 2"},
      {"a UUID of elsewhere", kHost,
       [](M m) { m.environment["CUDA_VISIBLE_DEVICES"] = "GPU-deadbeef"; }, "cuda-visible-devices",
       "no GPU has the UUID"},
      {"a MIG instance without MIG", kHost,
       [](M m) {
         m.environment["CUDA_VISIBLE_DEVICES"] = "MIG-1b7e0f7c-0000-1111-2222-333344445555";
       },
       "cuda-visible-devices", "MIG instance"},
      {"an index beyond, behind a good one", kHost,
       [](M m) { m.environment["CUDA_VISIBLE_DEVICES"] = "1,7,0"; }, "cuda-visible-devices",
       "only the 1 named before it", kWarn},
      {"an instance without compute instance", kMig,
       [](M m) { m.remove("proc/driver/nvidia/capabilities/gpu0/mig/gi3/ci0"); }, "mig",
       "no compute instance"},
      {"no capability nodes", kMig, [](M m) { m.remove("dev/nvidia-caps"); }, "mig",
       "nvidia-cap30 is missing"},
      {"a container without GPU", kBox,
       [](M m) {
         for (const char* name : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"})
           m.remove(std::string("dev/") + name);
         m.environment.erase("NVIDIA_VISIBLE_DEVICES");
       },
       "container-gpu", "no GPU was brought into"},
      {"a container of another runtime", kBox,
       [](M m) {
         for (const char* name : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"})
           m.remove(std::string("dev/") + name);
       },
       "container-gpu", "does not run under NVIDIA's runtime"},
      {"void", kBox,
       [](M m) {
         for (const char* name : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"})
           m.remove(std::string("dev/") + name);
         m.environment["NVIDIA_VISIBLE_DEVICES"] = "void";
       },
       "nvidia-visible-devices", "void"},
      {"utility alone", kBox,
       [](M m) {
         m.remove("usr/lib/x86_64-linux-gnu/libcuda.so.1");
         m.environment["NVIDIA_DRIVER_CAPABILITIES"] = "utility";
       },
       "driver-capabilities", "without compute"},
      // Services.
      {"no Fabric Manager", kSwitch,
       [](M m) {
         m.remove("usr/bin/nv-fabricmanager");
         m.remove("proc/812");
         m.packages({});
       },
       "fabric-manager", "no Fabric Manager"},
      {"a Fabric Manager of another version", kSwitch,
       [](M m) { m.packages({{"nvidia-fabricmanager-535", "535.129.03-1"}}); }, "fabric-manager",
       "535.129.03"},
      {"a Fabric Manager that stopped", kSwitch, [](M m) { m.remove("proc/812"); },
       "fabric-manager", "is not running"},
      {"a Fabric Manager behind hidepid", kSwitch,
       [](M m) {
         m.remove("proc/812");
         m.remove("proc/1");
       },
       "fabric-manager", "/proc hides processes", Verdict::kUnknown},
      {"MPS that was killed", kHost, [](M m) { m.file("tmp/nvidia-mps/control"); }, "mps",
       "no MPS daemon is running", kWarn},
      {"MPS named, but not there", kBox,
       [](M m) { m.environment["CUDA_MPS_PIPE_DIRECTORY"] = "/mps"; }, "mps", "805", kWarn},
      {"half the lanes", kHost,
       [](M m) {
         m.file("sys/devices/pci0000:00/0000:00:01.0/0000:17:00.0/current_link_width", "8\n");
       },
       "pcie-link", "x8 instead of x16", kWarn},
      {"no peermem", kRdma, [](M m) { m.remove("sys/module/nvidia_peermem"); }, "rdma-peermem",
       "nvidia_peermem", kWarn},
      {"little locked memory", kRdma,
       [](M m) {
         m.file("proc/self/limits",
                "Max locked memory         8388608              8388608              bytes\n");
       },
       "rdma-memlock", "8.4 MB", kWarn},
      {"no verbs", kRdma, [](M m) { m.remove("dev/infiniband"); }, "rdma-nodes", "uverbs", kWarn},
      // Engines.
      {"a toolkit that images break out of", kDocker,
       [](M m) {
         m.packages({{"docker-ce", "5:27.3.1-1"}, {"nvidia-container-toolkit-base", "1.17.7-1"}});
       },
       "toolkit", "vulnerable to CVE-2025-23266, CVE-2025-23267, fixed in 1.17.8", kWarn},
      {"Podman beside a Docker that has all", kDocker, [](M m) { m.file("usr/bin/podman"); },
       "engine-podman", "docker can give them out", kWarn},
      {"no toolkit", kPodman,
       [](M m) {
         m.remove("usr/bin/nvidia-ctk");
         m.remove("etc/cdi");
       },
       "toolkit", "nvidia-container-toolkit is not installed, and there is no CDI specification"},
      {"a runtime that is not there", kDocker,
       [](M m) { m.remove("usr/bin/nvidia-container-runtime"); }, "engine-docker",
       "does not exist"},
      {"nothing registered", kDocker,
       [](M m) {
         m.remove("etc/docker/daemon.json");
         m.remove("usr/bin/nvidia-container-runtime-hook");
       },
       "engine-docker", "neither NVIDIA's runtime nor a CDI specification"},
      {"CDI turned off", kDocker,
       [](M m) {
         m.file("etc/docker/daemon.json", R"({"features": {"cdi": false}})");
         m.remove("usr/bin/nvidia-container-runtime-hook");
         m.file("etc/cdi/nvidia.yaml", m.spec());
       },
       "engine-docker", "CDI turned off"},
      {"a configuration that is no JSON", kDocker,
       [](M m) { m.file("etc/docker/daemon.json", "{,}"); }, "engine-docker", "cannot be read"},
      {"no-cgroups for everybody", kDocker,
       [](M m) {
         m.file("etc/nvidia-container-runtime/config.toml",
                "[nvidia-container-cli]\nno-cgroups = true\n");
       },
       "docker-cgroups", "no-cgroups is on"},
      {"rootless with control groups", kDocker,
       [](M m) { m.environment["DOCKER_HOST"] = "unix:///run/user/1000/docker.sock"; },
       "docker-cgroups", "rootless"},
      {"no specification", kPodman, [](M m) { m.remove("etc/cdi"); }, "engine-podman",
       "no CDI specification"},
      {"a specification of an older driver", kPodman,
       [](M m) {
         m.file("usr/lib/x86_64-linux-gnu/libcuda.so.535.129.03", elf_header(kX86_64));
         m.file("etc/cdi/nvidia.yaml", m.spec("535.129.03"));
       },
       "cdi-spec", "of driver 535.129.03"},
      {"a specification of files that are gone", kPodman,
       [](M m) { m.file("etc/cdi/nvidia.yaml", m.spec("545.23.08")); }, "cdi-spec",
       "libcuda.so.545.23.08, which does not exist"},
      {"a specification of an earlier boot", kPodman,
       [](M m) { m.file("etc/cdi/nvidia.yaml", m.spec(TestMachine::kVersion, 510)); }, "cdi-spec",
       "major number 510"},
      {"SELinux", kPodman,
       [](M m) {
         m.file("sys/fs/selinux/enforce", "1");
         m.file("sys/fs/selinux/booleans/container_use_devices", "0 0");
       },
       "selinux", "container_use_devices is off", kWarn},
      // Frameworks.
      {"PyTorch for CPUs", kBox, [](M m) { m.torch("2.7.1+cpu", "None", "None"); }, "torch-build",
       "for CPUs only"},
      {"PyTorch for ROCm", kBox, [](M m) { m.torch("2.7.1+rocm6.3", "None", "'6.3.42131'"); },
       "torch-build", "ROCm"},
      {"PyTorch for a newer CUDA", kBox, [](M m) { m.torch("2.9.0+cu130", "'13.0'", "None"); },
       "torch-driver", "too old"},
      // The failing program runs here, so its step precedes the engines.
      {"PyTorch for CPUs on a host without toolkit", kPodman,
       [](M m) {
         m.remove("usr/bin/nvidia-ctk");
         m.remove("etc/cdi");
         m.torch("2.7.1+cpu", "None", "None");
       },
       "torch-build", "for CPUs only"},
      {"JAX without plugin", kBox,
       [](M m) { m.file("opt/venv/lib/python3.11/site-packages/jax-0.5.0.dist-info/METADATA"); },
       "framework-builds", "JAX has no GPU plugin", kWarn},
      // AMD.
      {"AMD nodes of the group root", kAmd, [](M m) { m.node("kfd", 236, 0, 0660, 0); },
       "amd-access", "0660, owner 0, group root"},
      {"amdgpu not loaded", kAmd,
       [](M m) {
         m.remove("sys/module/amdgpu");
         m.bind("0000:05:00.0", "");
       },
       "amdgpu-loaded", "not loaded"},
      {"no KFD node", kAmd, [](M m) { m.remove("sys/class/kfd/kfd/topology/nodes/2"); },
       "kfd-topology", "0000:15:00.0"},
      {"no /dev/kfd", kAmd, [](M m) { m.remove("dev/kfd"); }, "amd-nodes", "/dev/kfd is missing"},
      {"no render node", kAmd, [](M m) { m.remove("dev/dri/renderD129"); }, "amd-nodes",
       "renderD129"},
      {"not in the group", kAmd,
       [](M m) {
         m.file("proc/self/status",
                "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t1000\n");
       },
       "amd-access", "not in group render"},
      {"an override of another generation", kAmd,
       [](M m) { m.environment["HSA_OVERRIDE_GFX_VERSION"] = "10.3.0"; }, "hsa-override",
       "gfx1030"},
      {"an override that is not a version", kAmd,
       [](M m) { m.environment["HSA_OVERRIDE_GFX_VERSION"] = "gfx942"; }, "hsa-override",
       "not a version"},
      {"hidden by ROCR", kAmd, [](M m) { m.environment["ROCR_VISIBLE_DEVICES"] = "4"; },
       "rocm-visible-devices", "device 4"},
      {"PyTorch for CUDA on AMD", kAmd, [](M m) { m.torch("2.7.1+cu126", "'12.6'", "None"); },
       "torch-build", "AMD's"},
      // WSL2 and Jetson.
      {"WSL2 without its device", kWsl, [](M m) { m.remove("dev/dxg"); }, "gpu-present", "dxg"},
      {"WSL2 without Windows's driver", kWsl, [](M m) { m.remove("usr/lib/wsl"); }, "wsl-driver",
       "Windows brings it"},
      {"a Linux driver in WSL2", kWsl,
       [](M m) {
         m.library(TestMachine::kLib, TestMachine::kVersion);
         m.cache({{"libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"}});
       },
       "wsl-driver", "of a Linux driver"},
      {"Jetson without its GPU", kJetson, [](M m) { m.remove("dev/nvhost-gpu"); }, "tegra-nodes",
       "GPU's node"},
      {"Jetson, not in the group", kJetson, [](M m) { m.node("nvmap", 10, 120, 0660, 45); },
       "tegra-nodes", "nvmap"},
  };
  return kVariants;
}

}  // namespace flense::doctor::testing
