// Test helper: machines with a driver, made of files. Libraries are real ELF files with a SONAME.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "cdi/generate/generate.h"
#include "elf/testing_builder.h"
#include "host/testing_tree.h"

namespace flense::cdi::testing {

/// A shared library that says its name.
inline std::string library_bytes(std::string_view soname, std::uint16_t machine = EM_X86_64) {
  using elf::testing::pack;
  elf::testing::Builder out(ET_DYN, machine);
  const std::string strings = '\0' + std::string(soname) + '\0';
  const std::uint64_t at = 0x400, dynamic = 0x500;
  std::string entries =
      pack(std::uint64_t{DT_STRTAB}, at, std::uint64_t{DT_STRSZ}, std::uint64_t{strings.size()});
  if (!soname.empty()) entries += pack(std::uint64_t{DT_SONAME}, std::uint64_t{1});
  entries += pack(std::uint64_t{DT_NULL}, std::uint64_t{0});
  const std::uint64_t end = dynamic + entries.size();
  out.add(
      {.name = ".dynstr", .type = SHT_STRTAB, .flags = SHF_ALLOC, .address = at, .bytes = strings});
  out.add({.name = ".dynamic",
           .type = SHT_DYNAMIC,
           .flags = SHF_ALLOC,
           .address = dynamic,
           .bytes = std::move(entries),
           .link = 1,
           .alignment = 8,
           .entry_size = 16});
  out.segment(PT_LOAD, PF_R, 0, end, 0x1000);
  out.segment(PT_DYNAMIC, PF_R, dynamic, end, 8);
  return out.build();
}

/// The header of a 32-bit library.
inline std::string library_bytes_32() {
  std::string out(
      "\x7f"
      "ELF\1\1\1",
      7);
  out.resize(16, '\0');
  out += elf::testing::pack(std::uint16_t{ET_DYN}, std::uint16_t{EM_386});
  out.resize(52, '\0');
  return out;
}

/// What ldconfig writes for these paths (dl-cache.h), of libraries for x86-64.
inline std::string loader_cache_bytes(const std::vector<std::string>& paths) {
  using elf::testing::pack;
  constexpr std::uint32_t kFlags = 0x0303;  // FLAG_ELF_LIBC6, FLAG_X8664_LIB64
  const auto table = static_cast<std::uint32_t>(48 + 24 * paths.size());
  std::string entries, strings;
  for (const std::string& path : paths) {
    const std::string name = path.substr(path.rfind('/') + 1);
    const auto at = static_cast<std::uint32_t>(table + strings.size());
    entries += pack(kFlags, at, static_cast<std::uint32_t>(at + name.size() + 1), std::uint32_t{0},
                    std::uint64_t{0});
    strings += name + '\0' + path + '\0';
  }
  std::string out = "glibc-ld.so.cache1.1";
  out += pack(static_cast<std::uint32_t>(paths.size()), static_cast<std::uint32_t>(strings.size()),
              std::uint32_t{2});
  out.append(16, '\0');
  return out + entries + strings;
}

class TestMachine {
 public:
  static constexpr const char* kVersion = "550.54.15";
  static constexpr const char* kLib = "usr/lib/x86_64-linux-gnu";

  void file(const std::string& path, std::string_view text = "") const { tree.file(path, text); }
  void link(const std::string& path, const std::string& to) const { tree.link(path, to); }
  void remove(const std::string& path) const { std::filesystem::remove_all(tree.top() / path); }
  void node(const std::string& name, unsigned major, unsigned minor, unsigned mode = 0666,
            unsigned gid = 0, const std::string& dev_root = "") const {
    file(dev_root + "dev/" + name, fmt::format("c {} {} {:04o} 0 {}", major, minor, mode, gid));
  }

  /// One library with its links, as the driver's installer leaves it.
  void library(const std::string& folder, const std::string& stem, std::string_view version,
               std::string_view soname_ending = ".1", std::uint16_t machine = EM_X86_64) const {
    const std::string name = fmt::format("{}.so.{}", stem, version);
    const std::string soname =
        soname_ending.empty() ? name : fmt::format("{}.so{}", stem, soname_ending);
    file(fmt::format("{}/{}", folder, name), library_bytes(soname, machine));
    if (soname != name) link(fmt::format("{}/{}", folder, soname), name);
  }

  void module(std::string_view version = kVersion) const {
    file("proc/driver/nvidia/version",
         fmt::format("NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Tue Mar  5 22:23:56 UTC "
                     "2024\n",
                     version));
    file("proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
    file("proc/sys/kernel/arch", "x86_64\n");
  }

  void control_nodes(const std::string& dev_root = "") const {
    node("nvidiactl", 195, 255, 0666, 0, dev_root);
    node("nvidia-uvm", 511, 0, 0666, 0, dev_root);
    node("nvidia-uvm-tools", 511, 1, 0666, 0, dev_root);
    node("nvidia-modeset", 195, 254, 0666, 0, dev_root);
  }

  /// Module, control nodes, and the libraries that compute and utility take.
  void driver(const std::string& root = "") const {
    module();
    control_nodes();
    for (const char* stem : {"libcuda", "libnvidia-ml", "libnvidia-ptxjitcompiler"})
      library(root + kLib, stem, kVersion);
    library(root + kLib, "libnvidia-gpucomp", kVersion, "");
    file(root + "usr/bin/nvidia-smi", "program");
    file(fmt::format("{}lib/firmware/nvidia/{}/gsp_ga10x.bin", root, kVersion), "firmware");
  }

  /// The same where libraries of 64 bits lie in lib64 and those of 32 in lib, without directories
  /// of an architecture, as Red Hat's family has it.
  void red_hat_driver(const std::string& root = "") const {
    module();
    control_nodes();
    for (const char* name : {"lib", "lib64", "bin"}) link(root + name, std::string("usr/") + name);
    const std::string lib = root + "usr/lib64";
    std::vector<std::string> cached;
    for (const char* stem : {"libcuda", "libnvidia-ml", "libnvidia-ptxjitcompiler"}) {
      library(lib, stem, kVersion);
      cached.push_back(fmt::format("/lib64/{}.so.1", stem));
    }
    library(lib, "libnvidia-gpucomp", kVersion, "");
    file(root + "etc/ld.so.cache", loader_cache_bytes(cached));
    file(root + "etc/ld.so.conf", "include ld.so.conf.d/*.conf\n");
    file(root + "usr/bin/nvidia-smi", "program");
    file(fmt::format("{}usr/lib/firmware/nvidia/{}/gsp_ga10x.bin", root, kVersion), "firmware");
  }

  /// Everything else that a desktop's driver brings.
  void drawing_driver() const {
    for (const char* stem : {"libnvidia-glcore", "libnvidia-eglcore", "libnvidia-tls"})
      library(kLib, stem, kVersion, "");
    for (const char* stem : {"libnvidia-encode", "libnvcuvid", "libnvidia-opticalflow",
                             "libnvidia-ngx", "libnvidia-allocator", "libnvoptix"})
      library(kLib, stem, kVersion);
    library(kLib, "libGLX_nvidia", kVersion, ".0");
    library(kLib, "libEGL_nvidia", kVersion, ".0");
    library(kLib, "libnvidia-egl-wayland", "1.1.13");
    library(std::string(kLib) + "/vdpau", "libvdpau_nvidia", kVersion);
    file("usr/lib/i386-linux-gnu/libcuda.so.550.54.15", library_bytes_32());
    link("usr/lib/i386-linux-gnu/libcuda.so.1", "libcuda.so.550.54.15");
    file("usr/share/glvnd/egl_vendor.d/10_nvidia.json", "{}");
    file("usr/share/vulkan/icd.d/nvidia_icd.json", "{}");
    file("etc/OpenCL/vendors/nvidia.icd", "libnvidia-opencl.so.1\n");
    file("usr/share/nvidia/nvoptix.bin", "weights");
    file("usr/lib/xorg/modules/drivers/nvidia_drv.so", library_bytes("nvidia_drv.so"));
    file("usr/lib/xorg/modules/extensions/libglxserver_nvidia.so.550.54.15",
         library_bytes("libglxserver_nvidia.so"));
  }

  void gpu(unsigned minor, const std::string& address, const std::string& dev_root = "") const {
    pci(address, "10de", "2330", "nvidia");
    file("proc/driver/nvidia/gpus/" + address + "/information",
         fmt::format("Model: \t\t NVIDIA H100 80GB HBM3\nGPU UUID: \t {}\nBus Location: \t "
                     "{}\nDevice Minor: \t {}\n",
                     uuid(minor), address, minor));
    node(fmt::format("nvidia{}", minor), 195, minor, 0666, 0, dev_root);
  }
  static std::string uuid(unsigned minor) {
    return fmt::format("GPU-{:08x}-1111-2222-3333-444444444444", minor);
  }

  void pci(const std::string& address, std::string_view vendor, std::string_view device,
           const std::string& driver) const {
    const std::string folder = "sys/bus/pci/devices/" + address;
    file(folder + "/vendor", fmt::format("0x{}\n", vendor));
    file(folder + "/device", fmt::format("0x{}\n", device));
    file(folder + "/class", "0x030200\n");
    file("sys/bus/pci/drivers/" + driver + "/bind");
    link(folder + "/driver", "/bus/pci/drivers/" + driver);
  }

  void drm(const std::string& device, unsigned card, unsigned render, unsigned gid = 44) const {
    file(fmt::format("sys/{}/drm/card{}/dev", device, card), fmt::format("226:{}\n", card));
    file(fmt::format("sys/{}/drm/renderD{}/dev", device, render), fmt::format("226:{}\n", render));
    node(fmt::format("dri/card{}", card), 226, card, 0660, gid);
    node(fmt::format("dri/renderD{}", render), 226, render, 0660, gid);
  }

  /// A MIG instance with one compute instance.
  void mig(unsigned minor, unsigned gi, unsigned cap, unsigned ci = 0) const {
    const std::string folder =
        fmt::format("proc/driver/nvidia/capabilities/gpu{}/mig/gi{}", minor, gi);
    file(folder + "/access", fmt::format("DeviceFileMinor: {}\nDeviceFileMode: 292\n", cap));
    file(fmt::format("{}/ci{}/access", folder, ci),
         fmt::format("DeviceFileMinor: {}\nDeviceFileMode: 292\n", cap + 1 + ci));
    node(fmt::format("nvidia-caps/nvidia-cap{}", cap), 508, cap, 0444);
    node(fmt::format("nvidia-caps/nvidia-cap{}", cap + 1 + ci), 508, cap + 1 + ci, 0444);
  }

  void amd_driver() const {
    file("sys/module/amdgpu/refcnt", "1\n");
    node("kfd", 236, 0, 0660, 109);
    kfd_node(0, "cpu_cores_count 96\ngfx_target_version 0\n");
  }
  void kfd_node(unsigned number, std::string_view properties) const {
    file(fmt::format("sys/class/kfd/kfd/topology/nodes/{}/properties", number), properties);
  }
  void amd_node(unsigned number, const std::string& address, std::uint64_t unique_id,
                unsigned render) const {
    const unsigned bus = static_cast<unsigned>(std::stoul(address.substr(5, 2), nullptr, 16));
    kfd_node(number, fmt::format("simd_count 304\ngfx_target_version 90402\nlocation_id {}\ndomain "
                                 "0\ndrm_render_minor {}\nunique_id {}\n",
                                 bus << 8, render, unique_id));
  }

  host::Machine machine() const { return tree.machine(); }
  Result<Generated> generated(const GenerateOptions& options = {}) const {
    return generate(machine(), options);
  }

  host::testing::ScratchTree tree;
};

inline const std::set<Capability> kEverything = {
    Capability::kCompute, Capability::kUtility, Capability::kVideo,   Capability::kGraphics,
    Capability::kDisplay, Capability::kNgx,     Capability::kCompat32};

}  // namespace flense::cdi::testing
