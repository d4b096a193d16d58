#include "host/probe.h"

#include <algorithm>

#include "base/format.h"
#include "host/container_toolkit.h"
#include "host/gpu_models.h"
#include "host/probe_support.h"

namespace flense::host {

namespace {

/// What a reader should know before the table: contradictions, and why something is missing.
std::vector<std::string> notices_of(const Machine& machine, const Profile& profile,
                                    const knowledge::Knowledge& tables) {
  std::vector<std::string> out;
  const Nvidia& nvidia = profile.nvidia;
  if (nvidia.agree.value == false)
    out.push_back(
        fmt::format("the NVIDIA kernel module is {}, but libcuda is {}: CUDA programs fail with "
                    "error 803 until the machine is rebooted or the module is reloaded",
                    *nvidia.module_version.value, *nvidia.library_version.value));
  const bool has_nvidia = std::any_of(profile.gpus.begin(), profile.gpus.end(),
                                      [](const Gpu& gpu) { return gpu.vendor == "nvidia"; });
  const bool jetson = profile.system.jetson.value.has_value();
  const bool loaded = nvidia.module_version.value.has_value();
  if (has_nvidia && !loaded && !jetson)
    out.emplace_back("there are NVIDIA GPUs, but their kernel module is not loaded");
  // On a Jetson the module of that name drives the display.
  if (has_nvidia && loaded && !jetson)
    for (const char* node : {"nvidiactl", "nvidia-uvm"})
      if (!machine.dev.exists(node))
        out.push_back(fmt::format("{} is missing: CUDA needs it", machine.dev.label(node)));
  const bool has_amd = std::any_of(profile.gpus.begin(), profile.gpus.end(), [](const Gpu& gpu) {
    return gpu.kernel_driver.value == "amdgpu";
  });
  if (has_amd && !machine.dev.exists("kfd"))
    out.push_back(fmt::format("{} is missing: ROCm needs it", machine.dev.label("kfd")));
  for (const Gpu& gpu : profile.gpus)
    if (gpu.kernel_driver.value == "vfio-pci")
      out.push_back(
          fmt::format("the GPU at {} belongs to vfio-pci: it is reserved for a virtual machine",
                      gpu.pci_address.value.value_or("?")));
  if (const auto& toolkit = nvidia.toolkit_version.value)
    if (std::string warning = toolkit_warning(tables.container_toolkit, *toolkit); !warning.empty())
      out.push_back(std::move(warning));
  if (profile.system.in_container.value == true)
    out.emplace_back(
        "this is the view from inside a container: engines and libraries of the host may not be "
        "visible");
  return out;
}

void add_nvidia_model(const knowledge::Gpus& gpus, Gpu& gpu) {
  if (!gpu.name.value) {
    const std::string reason = "its name is unknown: " + gpu.name.evidence;
    gpu.architecture = Text::unknown(reason);
    gpu.memory_bytes = Number::unknown(reason);
    return;
  }
  gpu.architecture = architecture_by_name(gpus, *gpu.name.value);
  const auto memory = memory_in_name(*gpu.name.value);
  gpu.memory_bytes = memory ? Number::known(*memory, "nominal, by its name")
                            : Number::unknown("only the driver's library tells");
}

}  // namespace

Text cuda_by_branch(const knowledge::Drivers& drivers, const std::string& driver) {
  const std::string cuda = drivers.cuda_of(driver);
  return cuda.empty() ? Text::unknown(fmt::format("the driver table has no branch of {}", driver))
                      : Text::known(cuda, "driver table, by the branch of " + driver);
}

void add_known(const knowledge::Knowledge& tables, Profile& profile) {
  Nvidia& nvidia = profile.nvidia;
  const Text& driver =
      nvidia.library_version.value ? nvidia.library_version : nvidia.module_version;
  nvidia.cuda =
      driver.value ? cuda_by_branch(tables.drivers, *driver.value) : Text::unknown(driver.evidence);
  for (Gpu& gpu : profile.gpus) {
    if (gpu.architecture.value) continue;  // it has told by itself
    if (gpu.vendor == "nvidia")
      add_nvidia_model(tables.gpus, gpu);
    else if (gpu.name.value)
      if (Text by_name = architecture_by_name(tables.gpus, *gpu.name.value); by_name.value)
        gpu.architecture = std::move(by_name);
  }
}

Profile probe(const Machine& machine, const knowledge::Knowledge& tables) {
  Profile out;
  out.source = "this";
  out.system = probe_system(machine);
  out.isolation = probe_isolation(machine, out.system);
  out.nvidia = probe_nvidia(machine, out.system);
  out.amd = probe_amd(machine, out.system);
  out.gpus = probe_nvidia_gpus(machine, out.system);
  for (Gpu& gpu : probe_amd_gpus(machine)) out.gpus.push_back(std::move(gpu));
  add_known(tables, out);
  const bool hidden =
      out.gpus.empty() && out.system.wsl2.value == true && machine.dev.exists("dxg");
  if (hidden)
    out.gpu_count = Number::unknown("on WSL2 only the driver's library names the GPUs");
  else if (machine.sys.exists("bus/pci/devices") || !out.gpus.empty())
    out.gpu_count =
        Number::known(out.gpus.size(), "/proc/driver/nvidia/gpus, /sys/bus/pci/devices");
  else
    out.gpu_count = Number::unknown("no " + machine.sys.label("bus/pci/devices"));
  out.networks = probe_networks(machine, out.gpus);
  out.engines = probe_engines(machine);
  out.cdi_specs = probe_cdi_specs(machine);
  out.notices = notices_of(machine, out, tables);
  return out;
}

}  // namespace flense::host
