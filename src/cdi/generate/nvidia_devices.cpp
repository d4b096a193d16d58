#include "cdi/generate/nvidia_devices.h"

#include <algorithm>

#include "base/format.h"
#include "cdi/generate/drm.h"
#include "cdi/generate/mig.h"
#include "host/probe.h"

namespace flense::cdi {

namespace {

constexpr int kNamedByUuid = 1, kNamedByAddress = 2;
constexpr const char* kMakeNodes = "nvidia-modprobe -u -c0 loads the modules and creates the nodes";

struct NvidiaGpu {
  std::uint64_t index = 0, minor = 0;
  std::string address, uuid;  ///< uuid: empty when unknown
};

/// Those that the NVIDIA driver has, in the order in which it numbers them.
std::vector<NvidiaGpu> gpus_of(Discovery& discovery) {
  std::vector<NvidiaGpu> out;
  for (const host::Gpu& gpu : host::probe_nvidia_gpus(discovery.machine, {})) {
    const std::string address = gpu.pci_address.value.value_or("?");
    if (!gpu.minor.value) {
      discovery.leave_out(
          gpu.kernel_driver.value && *gpu.kernel_driver.value != "nvidia"
              ? fmt::format("the GPU at {} is left out: its driver is {}", address,
                            *gpu.kernel_driver.value)
              : fmt::format("the GPU at {} is left out: {}", address, gpu.minor.evidence));
      continue;
    }
    if (!gpu.uuid.value)
      discovery.note(
          fmt::format("the GPU at {} is not listed by UUID: {}", address, gpu.uuid.evidence));
    out.push_back({out.size(), *gpu.minor.value, address, gpu.uuid.value.value_or("")});
  }
  return out;
}

Result<void> need(Discovery& discovery, DeviceFolder& folder, std::string_view name, Edits& edits) {
  if (folder.add(name, edits)) return {};
  return discovery.missing(fmt::format("there is no device node {}", folder.path(name)),
                           kMakeNodes);
}

Result<void> add_gpu(Discovery& discovery, const NvidiaGpu& gpu, DeviceFolder& folder,
                     DeviceList& devices) {
  Edits edits;
  TRY_DO(need(discovery, folder, fmt::format("nvidia{}", gpu.minor), edits));
  if (discovery.wants_any({Capability::kGraphics, Capability::kDisplay}) &&
      !add_drm(drm_nodes(discovery.machine.sys, "bus/pci/devices/" + gpu.address),
               "pci-" + gpu.address, folder, edits))
    discovery.note(
        fmt::format("the GPU at {} has no nodes in /dev/dri: Vulkan and EGL may not find it (the "
                    "module nvidia-drm creates them)",
                    gpu.address));
  if (edits.empty()) return {};
  devices.add(fmt::format("{}", gpu.index), edits);
  if (!gpu.uuid.empty()) devices.add_alias(kNamedByUuid, gpu.uuid, edits);
  devices.add_alias(kNamedByAddress, gpu.address, edits);
  return {};
}

/// What the driver says of this instance; null when it was not asked or does not know it.
const host::MigInstance* told(const Discovery& discovery, const NvidiaGpu& gpu,
                              const MigDevice& instance) {
  if (!discovery.options.mig) return nullptr;
  const auto& all = discovery.options.mig->instances;
  const auto at = std::ranges::find_if(all, [&](const host::MigInstance& one) {
    return one.pci_address == gpu.address && one.gpu_instance == instance.gpu_instance &&
           one.compute_instance == instance.compute_instance;
  });
  return at == all.end() ? nullptr : &*at;
}

Result<void> add_instances(Discovery& discovery, const NvidiaGpu& gpu,
                           const std::vector<MigDevice>& instances, DeviceFolder& folder,
                           DeviceList& devices) {
  for (std::size_t i = 0; i < instances.size(); ++i) {
    const MigDevice& instance = instances[i];
    Edits edits;
    TRY_DO(need(discovery, folder, fmt::format("nvidia{}", gpu.minor), edits));
    for (const std::uint32_t cap : {instance.gpu_cap, instance.compute_cap})
      TRY_DO(need(discovery, folder, fmt::format("nvidia-caps/nvidia-cap{}", cap), edits));
    if (edits.empty()) continue;
    const host::MigInstance* const answer = told(discovery, gpu, instance);
    devices.add(fmt::format("{}:{}", gpu.index, answer ? answer->index : i), edits);
    if (answer && !answer->uuid.empty()) devices.add_alias(kNamedByUuid, answer->uuid, edits);
  }
  if (!discovery.options.mig)
    discovery.note(
        "MIG instances are listed as GPU:INSTANCE in the order of the kernel's numbers; no plain "
        "file has their UUIDs: --ask-driver adds them");
  return {};
}

}  // namespace

Result<void> add_nvidia_devices(Discovery& discovery, DeviceFolder& folder, DeviceList& devices) {
  for (const NvidiaGpu& gpu : gpus_of(discovery)) {
    const auto instances = mig_devices(discovery, gpu.minor);
    if (instances && !instances->empty()) {
      TRY_DO(add_instances(discovery, gpu, *instances, folder, devices));
    } else if (instances) {
      discovery.leave_out(fmt::format(
          "the GPU {} at {} is left out: MIG is on and it has no compute instance (nvidia-smi mig "
          "-cci)",
          gpu.index, gpu.address));
    } else if (discovery.options.mig && discovery.options.mig->enabled.contains(gpu.address)) {
      discovery.leave_out(fmt::format(
          "the GPU {} at {} is left out: MIG is on and has no instances (nvidia-smi mig -cgi … -C)",
          gpu.index, gpu.address));
    } else {
      TRY_DO(add_gpu(discovery, gpu, folder, devices));
    }
  }
  if (!devices.empty()) return {};
  std::string reasons;
  for (const std::string& why : discovery.left_out) reasons += "; " + why;
  return fail(Code::kEnvironment, "there is no NVIDIA GPU for a container{}", reasons)
      .hint("flense host shows the GPUs; flense doctor says why one is missing");
}

Result<void> add_control_nodes(Discovery& discovery, DeviceFolder& folder, Edits& edits) {
  TRY_DO(need(discovery, folder, "nvidiactl", edits));
  if (discovery.wants(Capability::kCompute)) {
    TRY_DO(need(discovery, folder, "nvidia-uvm", edits));
    if (!folder.add("nvidia-uvm-tools", edits))
      discovery.note(fmt::format("there is no {}: profilers and debuggers of CUDA may miss it",
                                 folder.path("nvidia-uvm-tools")));
  }
  if (discovery.wants_any({Capability::kGraphics, Capability::kDisplay}))
    TRY_DO(need(discovery, folder, "nvidia-modeset", edits));
  return {};
}

}  // namespace flense::cdi
