// What a machine offers to a GPU container, as plain values. Nothing is assumed: each fact is
// either known, with its source, or unknown, with the reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace flense::host {

template <class T>
struct Fact {
  std::optional<T> value;
  /// Where the value was read; of an unknown fact, why it is unknown. Empty when nobody asked: the
  /// fact does not apply.
  std::string evidence;

  static Fact known(T value, std::string evidence) {
    return {std::move(value), std::move(evidence)};
  }
  static Fact unknown(std::string reason) { return {std::nullopt, std::move(reason)}; }
  bool operator==(const Fact&) const = default;
};

using Text = Fact<std::string>;
using Number = Fact<std::uint64_t>;
using Flag = Fact<bool>;
using List = Fact<std::vector<std::string>>;

struct System {
  Text kernel;        ///< "6.8.0-45-generic"
  Text architecture;  ///< "x86_64", "aarch64"
  Text distribution;  ///< "Ubuntu 22.04.4 LTS"
  Text distribution_id, distribution_version;
  Text libc;  ///< "glibc", "musl"
  Text libc_version;
  Text cpu_model;
  Text cpu_level;  ///< "x86-64-v3"
  List cpu_flags;
  Number cpus, memory_bytes;
  Flag wsl2;
  Text jetson;        ///< Linux for Tegra release: "36.3.0"
  Text board;         ///< "NVIDIA Jetson AGX Orin Developer Kit"
  Flag in_container;  ///< the machine is seen from inside a container
  bool operator==(const System&) const = default;
};

/// What container engines ask of the kernel.
struct Isolation {
  Text cgroups;  ///< "v1", "v2", "hybrid"
  Flag user_namespaces, overlay, fuse;
  bool operator==(const Isolation&) const = default;
};

struct Nvidia {
  Text module_version;   ///< of the loaded kernel module: "550.54.15"
  Text module_kind;      ///< "open", "proprietary"
  Text library_version;  ///< of libcuda.so.1
  Text library_path;
  Text driver_root;  ///< where the user-space driver lies: "/", "/run/nvidia/driver"
  Flag agree;        ///< kernel module and library are of one version
  Text cuda;         ///< newest CUDA that this driver runs natively: "12.4"
  Flag installed;    ///< a module is loaded or a library there; false where both were looked for
  Flag persistenced;
  Text toolkit_version;  ///< nvidia-container-toolkit
  Flag toolkit;          ///< its nvidia-ctk, hook or nvidia-container-cli; false: there is none
  Text mps_directory;    ///< pipe directory of a running MPS daemon: "/tmp/nvidia-mps"
  Flag module;           ///< it is loaded; false: neither loaded nor built for this kernel
  Flag library;          ///< a libcuda is there; false where it was looked for
  Text node_access;      ///< mode and owners of /dev/nvidiactl: "0660 root:video"
  bool operator==(const Nvidia&) const = default;
};

struct Amd {
  Text driver_version;  ///< of amdgpu, where it is not the kernel's own
  Text rocm_version;    ///< user space on the host
  Flag module;          ///< amdgpu is loaded; false: neither loaded nor built for this kernel
  Flag kfd;             ///< /dev/kfd is there; false where /dev was looked at
  bool operator==(const Amd&) const = default;
};

struct Gpu {
  std::string vendor;  ///< "nvidia", "amd"
  Text name, uuid;
  Text pci_address;    ///< "0000:17:00.0"
  Text pci_id;         ///< "10de:2330"
  Text kernel_driver;  ///< "nvidia", "amdgpu", "vfio-pci"
  Text architecture;   ///< "9.0", "gfx942"
  Number memory_bytes;
  Number minor;  ///< of /dev/nvidiaN or of the AMD render node
  Number numa_node;
  Text link_speed, link_speed_max;  ///< "32.0 GT/s"
  Number link_width, link_width_max;
  Flag mig;
  Number mig_instances;
  Number mig_memory_bytes;  ///< of each, where all are of one kind
  Text compute_mode;        ///< "Default", "Exclusive_Process", "Prohibited"
  Flag persistence;         ///< the driver keeps the GPU's state while nobody uses it
  List nvlink_peers;        ///< PCI addresses
  Text partition;           ///< AMD compute partition: "SPX", "CPX"
  Number partitions;        ///< how many devices ROCm sees on this card
  Text sharing;             ///< how the cluster gives it to several jobs: "mps", "time-slicing"
  Number replicas;          ///< to so many at a time; of MIG devices each
  bool operator==(const Gpu&) const = default;
};

struct Distance {
  std::string gpu;         ///< PCI address
  std::uint64_t numa = 0;  ///< as the kernel counts: 10 is the same node
  bool operator==(const Distance&) const = default;
};

/// An InfiniBand or RoCE card.
struct Network {
  std::string name;  ///< "mlx5_0"
  Text pci_address, link_layer, state, rate, firmware;
  Number numa_node;
  std::vector<Distance> distances;  ///< to GPUs; only where both nodes are known
  bool operator==(const Network&) const = default;
};

struct Engine {
  std::string name;  ///< "docker", "podman", "containerd", "cri-o", "apptainer", "enroot"
  Text path, version;
  Flag cdi;             ///< takes CDI devices as configured
  Flag nvidia_runtime;  ///< NVIDIA's runtime or hook is registered
  bool operator==(const Engine&) const = default;
};

struct Profile {
  std::string source;  ///< "this", the profile's file, or the words on the command line
  System system;
  Isolation isolation;
  Nvidia nvidia;
  Amd amd;
  Number gpu_count;
  std::vector<Gpu> gpus;  ///< NVIDIA before AMD, each in the order of its numbers
  std::vector<Network> networks;
  std::vector<Engine> engines;  ///< those that are installed
  List cdi_specs;
  std::vector<std::string> notices;
  bool operator==(const Profile&) const = default;
};

/// Equal in all but their names, so that what holds for one holds for the other.
inline bool is_same_kind(const Profile& one, const Profile& other) {
  const auto facts = [](const Profile& profile) {
    const auto& [source, system, isolation, nvidia, amd, gpu_count, gpus, networks, engines,
                 cdi_specs, notices] = profile;
    return std::tie(system, isolation, nvidia, amd, gpu_count, gpus, networks, engines, cdi_specs);
  };
  return facts(one) == facts(other);
}

}  // namespace flense::host
