// Test helper: healthy machines made of files, each to be broken by one small change.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/format.h"
#include "doctor/diagnose.h"
#include "host/probe.h"
#include "host/testing_tree.h"
#include "knowledge/testing_tables.h"

namespace flense::doctor::testing {

inline void append_le(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    out += i < sizeof(value) ? static_cast<char>(value >> (8 * i) & 0xff) : '\0';
}

constexpr std::uint16_t kX86_64 = 62, kAArch64 = 183;

/// The first 64 bytes of a shared library.
inline std::string elf_header(std::uint16_t machine, char wide = 2) {
  std::string out = std::string("\x7f") + "ELF" + wide + "\x01\x01";
  out.resize(16, '\0');
  append_le(out, 3, 2);
  append_le(out, machine, 2);
  out.resize(64, '\0');
  return out;
}

/// As ldconfig writes it: name and path of each library.
inline std::string loader_cache(const std::vector<std::pair<std::string, std::string>>& libraries,
                                std::uint16_t machine = kX86_64) {
  std::string out = "glibc-ld.so.cache1.1", strings;
  append_le(out, libraries.size(), 4);
  const std::size_t table = 48 + 24 * libraries.size();
  std::string entries;
  for (const auto& [name, path] : libraries) {
    append_le(entries, machine == kX86_64 ? 0x0303 : 0x0a03, 4);
    append_le(entries, table + strings.size(), 4);
    append_le(entries, table + strings.size() + name.size() + 1, 4);
    append_le(entries, 0, 12);
    strings += name + '\0' + path + '\0';
  }
  append_le(out, strings.size(), 4);
  append_le(out, 2, 4);
  append_le(out, 0, 16);
  return out + entries + strings;
}

class TestMachine {
 public:
  static constexpr const char* kLib = "usr/lib/x86_64-linux-gnu/";
  static constexpr const char* kVersion = "550.54.15";

  explicit TestMachine(host::testing::ScratchTree& in) : tree(in) {}

  void file(const std::string& path, std::string_view text = "") const { tree.file(path, text); }
  void link(const std::string& path, const std::string& to) const { tree.link(path, to); }
  void set_user_id(const std::string& path) const {
    file(path);
    std::filesystem::permissions(
        tree.top() / path, std::filesystem::perms::set_uid | std::filesystem::perms::owner_all);
  }
  void remove(const std::string& path) const { std::filesystem::remove_all(tree.top() / path); }
  void node(const std::string& name, unsigned major, unsigned minor, unsigned mode = 0666,
            unsigned gid = 0, std::string_view answer = "") const {
    file("dev/" + name, fmt::format("c {} {} {:04o} 0 {} {}", major, minor, mode, gid, answer));
  }

  /// Programs of any machine, of an Ubuntu with systemd.
  static constexpr auto kTools = std::to_array<const char*>(
      {"apt-get", "systemctl", "modprobe", "usermod", "ldconfig", "dmesg", "update-initramfs"});
  void program(const std::string& name) const { file("usr/bin/" + name); }

  void base(std::string_view machine = "x86_64",
            std::string_view kernel = "6.8.0-45-generic") const {
    file("proc/sys/kernel/osrelease", fmt::format("{}\n", kernel));
    file("proc/sys/kernel/arch", fmt::format("{}\n", machine));
    file("proc/self/status",
         "Name:\tpython3\nUid:\t1000\t1000\t1000\t1000\n"
         "Gid:\t1000\t1000\t1000\t1000\nGroups:\t44 109 1000 \n");
    file("proc/self/limits",
         "Max locked memory         unlimited            unlimited            bytes\n");
    file("proc/devices",
         "Character devices:\n  1 mem\n195 nvidia\n226 drm\n236 kfd\n508 nvidia-caps\n"
         "511 nvidia-uvm\n\nBlock devices:\n  8 sd\n");
    file("proc/1/comm", "systemd\n");
    file("etc/os-release", "ID=ubuntu\n");
    for (const char* name : kTools) program(name);
    file("etc/group", "root:x:0:\nvideo:x:44:\nrender:x:109:\n");
    file(fmt::format("usr/lib/{}-linux-gnu/libc.so.6", machine),
         "GNU C Library stable release version 2.39.\n");
    std::filesystem::create_directories(tree.top() / "sys/bus/pci/devices");
  }

  void pci(const std::string& address, std::string_view vendor, std::string_view device,
           std::string_view kind, const std::string& driver) const {
    const std::string port = "sys/devices/pci0000:00/0000:00:01.0/", folder = port + address + "/";
    file(port + "max_link_width", "16\n");
    for (const auto& [name, value] :
         std::map<std::string, std::string>{{"vendor", fmt::format("0x{}", vendor)},
                                            {"device", fmt::format("0x{}", device)},
                                            {"class", fmt::format("0x{}", kind)},
                                            {"current_link_speed", "32.0 GT/s PCIe"},
                                            {"max_link_speed", "32.0 GT/s PCIe"},
                                            {"current_link_width", "16"},
                                            {"max_link_width", "16"}})
      file(folder + name, value + "\n");
    file(folder + "config", "\xde\x10\x30\x23");
    bind(address, driver);
    remove("sys/bus/pci/devices/" + address);
    link("sys/bus/pci/devices/" + address, "../../../devices/pci0000:00/0000:00:01.0/" + address);
  }
  void bind(const std::string& address, const std::string& driver) const {
    const std::string place = "sys/devices/pci0000:00/0000:00:01.0/" + address + "/driver";
    remove(place);
    if (driver.empty()) return;
    file("sys/bus/pci/drivers/" + driver + "/bind", "");
    link(place, "../../../../bus/pci/drivers/" + driver);
  }

  void library(const std::string& folder, const std::string& version,
               const std::string& name = "libcuda.so.") const {
    file(folder + name + version, elf_header(kX86_64));
    remove(folder + name + "1");
    link(folder + name + "1", name + version);
  }
  void module(const std::string& version, bool open = false) const {
    file("proc/driver/nvidia/version",
         open ? fmt::format(
                    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build\n",
                    version)
              : fmt::format("NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Tue Mar 5 "
                            "22:15:33 UTC 2024\n",
                            version));
    file("sys/module/nvidia/version", version + "\n");
    file("sys/module/nvidia_uvm/refcnt", "1\n");
  }
  void gpu(const std::string& address, unsigned minor, std::string_view model) const {
    pci(address, "10de", "2330", "030200", "nvidia");
    file("proc/driver/nvidia/gpus/" + address + "/information",
         fmt::format("Model: \t\t {}\nGPU UUID: \t GPU-{:08x}-1111-2222-3333-444444444444\n"
                     "Device Minor: \t {}\nGPU Excluded:\t No\n",
                     model, minor, minor));
    node(fmt::format("nvidia{}", minor), 195, minor);
  }
  void nvidia_software(const std::string& version = kVersion) const {
    module(version);
    node("nvidiactl", 195, 255);
    node("nvidia-uvm", 511, 0);
    library(kLib, version);
    library(kLib, version, "libnvidia-ptxjitcompiler.so.");
    library(kLib, version, "libnvidia-ml.so.");
    program("nvidia-smi");
    cache({{"libnvidia-ml.so.1", "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"},
           {"libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"},
           {"libnvidia-ptxjitcompiler.so.1",
            "/usr/lib/x86_64-linux-gnu/libnvidia-ptxjitcompiler.so.1"}});
  }
  void cache(const std::vector<std::pair<std::string, std::string>>& libraries) const {
    file("etc/ld.so.cache", loader_cache(libraries));
  }

  /// Two H100.
  void nvidia_host() const {
    base();
    nvidia_software();
    gpu("0000:17:00.0", 0, "NVIDIA H100 80GB HBM3");
    gpu("0000:65:00.0", 1, "NVIDIA H100 80GB HBM3");
  }
  void no_module() const {
    for (const char* path : {"proc/driver", "sys/module/nvidia", "sys/module/nvidia_uvm",
                             "dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "dev/nvidia-uvm"})
      remove(path);
    file("lib/modules/6.8.0-45-generic/modules.dep", "kernel/drivers/net/e1000.ko:\n");
  }
  /// The module's source, which nobody has built.
  void dkms_source() const {
    no_module();
    program("dkms");
    file("usr/src/nvidia-550.54.15/dkms.conf");
  }
  void geforce() const {
    remove("proc/driver/nvidia/gpus");
    gpu("0000:17:00.0", 0, "NVIDIA GeForce RTX 4090");
    gpu("0000:65:00.0", 1, "NVIDIA GeForce RTX 4090");
  }
  void packages(const std::vector<std::pair<std::string, std::string>>& list) const {
    std::string text;
    for (const auto& [name, version] : list)
      text +=
          fmt::format("Package: {}\nStatus: install ok installed\nVersion: {}\n\n", name, version);
    file("var/lib/dpkg/status", text);
  }
  std::string spec(const std::string& version = kVersion, unsigned uvm = 511) const {
    return fmt::format(
        "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: all\n  containerEdits:\n"
        "    deviceNodes:\n    - path: /dev/nvidia0\n    - path: /dev/nvidia-uvm\n      major: {}\n"
        "containerEdits:\n  mounts:\n  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{}\n"
        "    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{}\n    options: [ro]\n",
        uvm, version, version);
  }
  /// With Docker and its runtime registered.
  void docker_host() const {
    nvidia_host();
    packages({{"docker-ce", "5:27.3.1-1"}, {"nvidia-container-toolkit-base", "1.17.9-1"}});
    for (const char* name :
         {"dockerd", "nvidia-ctk", "nvidia-container-runtime", "nvidia-container-runtime-hook"})
      file(std::string("usr/bin/") + name);
    file("etc/docker/daemon.json",
         R"({"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}})");
  }
  void podman_host() const {
    nvidia_host();
    packages({{"podman", "4.9.3+ds1-1"}, {"nvidia-container-toolkit-base", "1.17.9-1"}});
    file("usr/bin/podman");
    file("usr/bin/nvidia-ctk");
    file("etc/cdi/nvidia.yaml", spec());
  }
  /// Four NVSwitches beside the GPUs.
  void nvswitch_host() const {
    nvidia_host();
    pci("0000:c0:00.0", "10de", "22a3", "068000", "nvidia-nvswitch");
    packages({{"nvidia-fabricmanager-550", "550.54.15-1"}});
    file("usr/bin/nv-fabricmanager");
    file("proc/812/comm", "nv-fabricmanage\n");
  }
  void rdma_host() const {
    nvidia_host();
    pci("0000:18:00.0", "15b3", "1021", "020700", "mlx5_core");
    link("sys/class/infiniband/mlx5_0/device",
         "../../../devices/pci0000:00/0000:00:01.0/0000:18:00.0");
    file("sys/module/nvidia_peermem/refcnt", "0\n");
    node("infiniband/uverbs0", 231, 192);
  }
  /// The first GPU cut into an instance.
  void mig_host() const {
    nvidia_host();
    const std::string folder = "proc/driver/nvidia/capabilities/gpu0/mig/gi3/";
    file(folder + "access", "DeviceFileMinor: 30\n");
    file(folder + "ci0/access", "DeviceFileMinor: 31\n");
    node("nvidia-caps/nvidia-cap30", 508, 30);
    node("nvidia-caps/nvidia-cap31", 508, 31);
  }
  void nvidia_container() const {
    nvidia_host();
    file(".dockerenv");
    environment["NVIDIA_VISIBLE_DEVICES"] = "all";
    environment["NVIDIA_DRIVER_CAPABILITIES"] = "compute,utility";
    torch("2.7.1+cu126", "'12.6'", "None");
    // The driver runs 12.4: minor-version compatibility.
  }
  void torch(std::string_view version, std::string_view cuda, std::string_view hip) const {
    file("opt/venv/bin/python3");
    file("opt/venv/lib/python3.11/site-packages/pip/__init__.py");
    environment["PATH"] = "/opt/venv/bin:/usr/bin";
    file("opt/venv/lib/python3.11/site-packages/torch/version.py",
         fmt::format("from typing import Optional\n\n__all__ = ['__version__', 'cuda', 'hip']\n"
                     "__version__ = '{}'\ndebug = False\ncuda: Optional[str] = {}\n"
                     "hip: Optional[str] = {}\nxpu: Optional[str] = None\n",
                     version, cuda, hip));
  }
  /// A card beside the graphics of AMD's processor, which the compute driver does not know.
  void hybrid_laptop() const {
    base();
    nvidia_software();
    gpu("0000:01:00.0", 0, "NVIDIA GeForce RTX 4060 Laptop GPU");
    pci("0000:06:00.0", "1002", "1681", "030000", "amdgpu");
    file("sys/module/amdgpu/refcnt", "1\n");
    node("kfd", 236, 0, 0660, 109);
    node("dri/renderD128", 226, 128, 0660, 4000);
  }
  /// The driver as the GPU operator installs it, out of the loader's sight.
  void operator_host() const {
    nvidia_host();
    cache({});
    for (const char* name : {"libcuda.so.", "libnvidia-ptxjitcompiler.so.", "libnvidia-ml.so."}) {
      remove(std::string(kLib) + name + "1");
      remove(std::string(kLib) + name + kVersion);
    }
    library(std::string("run/nvidia/driver/") + kLib, kVersion);
  }
  void amd_host() const {
    base();
    file("sys/module/amdgpu/version", "6.10.5\n");
    for (const unsigned n : {0u, 1u}) {
      const std::string address = n == 0 ? "0000:05:00.0" : "0000:15:00.0";
      pci(address, "1002", "74a1", "120000", "amdgpu");
      file(fmt::format("sys/class/kfd/kfd/topology/nodes/{}/properties", n + 1),
           fmt::format("gfx_target_version 90402\nlocation_id {}\ndomain 0\ndrm_render_minor {}\n"
                       "unique_id {}\n",
                       n == 0 ? 0x500 : 0x1500, 128 + n, 77 + n));
      node(fmt::format("dri/renderD{}", 128 + n), 226, 128 + n, 0660, 109);
    }
    node("kfd", 236, 0, 0660, 109);
  }
  void wsl() const {
    base("x86_64", "5.15.167.4-microsoft-standard-WSL2");
    node("dxg", 10, 125);
    file("usr/lib/wsl/lib/libcuda.so.1.1", elf_header(kX86_64));
    link("usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1.1");
    cache({{"libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"}});
  }
  /// As NVIDIA's toolkit mounts the driver there.
  void wsl_container() const {
    wsl();
    remove("usr/lib/wsl/lib");
    const std::string store = "usr/lib/wsl/drivers/nv_dispi.inf_amd64_0123456789abcdef/";
    file(store + "libcuda.so.1.1", elf_header(kX86_64));
    link(store + "libcuda.so.1", "libcuda.so.1.1");
    cache({{"libcuda.so.1", "/" + store + "libcuda.so.1"}});
    file(".dockerenv");
  }
  void jetson() const {
    base("aarch64", "5.15.136-tegra");
    file("etc/nv_tegra_release",
         "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic\n");
    file("proc/device-tree/model", std::string_view("NVIDIA Jetson AGX Orin Developer Kit\0", 37));
    file("proc/device-tree/compatible",
         std::string_view("nvidia,p3701-0000\0nvidia,tegra234\0", 34));
    node("nvmap", 10, 120, 0660, 44);
    node("nvhost-gpu", 501, 0, 0660, 44);
    file("usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1", elf_header(kAArch64));
    link("usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1", "libcuda.so.1.1");
    file("etc/ld.so.cache",
         loader_cache({{"libcuda.so.1", "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1"}},
                      kAArch64));
  }

  Diagnosis diagnosis() const {
    const host::Machine machine = tree.machine();
    const knowledge::Knowledge& tables = knowledge::test_tables();
    return diagnose(machine, host::probe(machine, tables), environment, tables);
  }

  host::testing::ScratchTree& tree;
  mutable Environment environment;
};

}  // namespace flense::doctor::testing
