// WSL2 and Jetson, where the driver is not NVIDIA's Linux driver for PCI cards.
#include "base/format.h"
#include "base/version_numbers.h"
#include "doctor/groups.h"
#include "doctor/nodes.h"

namespace flense::doctor {

namespace {

constexpr const char* kWslGuide = "CUDA on WSL User Guide";
constexpr std::string_view kWslFolder = "usr/lib/wsl/lib";

void wsl_device(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "wsl-device", "WSL2 passes the GPU through");
  const host::Tree& dev = scene.machine.dev;
  const auto node = dev.node("dxg");
  step.saw(node ? dev.label("dxg") + ": " + describe(*node) : dev.label("dxg") + ": missing");
  if (!node)
    return step.broken(dev.label("dxg") + " is missing",
                       scene.in_container()
                           ? "start the container with --gpus all"
                           : "update WSL from Windows (wsl --update), then wsl --shutdown",
                       kWslGuide);
  const Access access = access_of(*node, scene.user);
  if (access == Access::kNo || access == Access::kDenied)
    return step.broken(
        fmt::format("user {} may not open {}", scene.user.uid, dev.label("dxg")),
        "wsl --shutdown on Windows, then try again; the node is open to all by default");
  step.ok(dev.label("dxg") + " is there");
}

void wsl_driver(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "wsl-driver", "Windows's driver is the one in use");
  const host::Tree& root = scene.machine.root;
  const std::string path = fmt::format("{}/libcuda.so.1", kWslFolder);
  const auto& found = scene.libcuda.found;
  const bool windows = found && found->real.starts_with("/usr/lib/wsl/");
  // Containers get it from the driver store beside that folder.
  const bool there = root.exists(path) || (windows && scene.in_container());
  step.saw(fmt::format("{}: {}", root.label(path), root.exists(path) ? "there" : "missing"));
  step.saw(found ? "the loader takes " + found->path : "the loader finds no libcuda.so.1");
  if (!there)
    return step.broken(root.label(path) + " is missing: Windows brings it",
                       scene.in_container()
                           ? "start the container with --gpus all"
                           : "install NVIDIA's driver on Windows, then wsl --shutdown",
                       kWslGuide);
  if (found && !windows)
    return step.broken(found->path + " of a Linux driver is found before Windows's libcuda",
                       "remove the packages of the Linux driver from WSL (libnvidia-compute-*, "
                       "nvidia-driver-*); only the CUDA toolkit belongs there",
                       kWslGuide);
  step.ok(windows ? found->real : root.label(path));
}

void tegra_nodes(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "tegra-nodes", "the nodes of the integrated GPU are there");
  const host::Tree& dev = scene.machine.dev;
  const auto has = [&](const char* name) {
    const bool there = dev.exists(name);
    step.saw(fmt::format("{}: {}", dev.label(name), there ? "there" : "missing"));
    return there;
  };
  // From Thor on, the same module drives the GPU as drives cards.
  const auto gpus = scene.gpus("nvidia");
  const bool thor = !gpus.empty() && gpus.front()->architecture.value &&
                    version_at_least(*gpus.front()->architecture.value, "10.0");
  const bool memory = has("nvmap");
  const bool gpu = thor ? has("nvidia0") : has("nvhost-gpu") || has("nvgpu/igpu0/ctrl");
  if (memory && gpu) {
    for (const char* name : {"nvmap", "nvhost-gpu", "nvgpu/igpu0/ctrl", "nvidia0"}) {
      const auto node = dev.node(name);
      if (!node || access_of(*node, scene.user) != Access::kNo) continue;
      return step.broken(
          fmt::format("user {} may not open {} ({})", scene.user.uid, dev.label(name),
                      rights_of(scene, *node)),
          join_group(scene, *node)
              .value_or("bring back the udev rules of Jetson Linux (99-tegra-devices.rules), which "
                        "give it to the group video, and reboot"));
    }
    return step.ok("nvmap and the GPU's node are there");
  }
  step.broken(
      memory ? "the GPU's node is missing" : dev.label("nvmap") + " is missing",
      scene.in_container()
          ? "start the container under NVIDIA's runtime (--runtime nvidia), in mode csv or CDI"
          : fmt::format("{}; where that fails, {}; flash Jetson Linux again if its modules are of "
                        "another kernel",
                        scene.tools.command("modprobe nvgpu"), scene.tools.kernel_log("nvgpu")),
      "Jetson Linux Developer Guide");
}

}  // namespace

void steps_platform(const Scene& scene, std::vector<Step>& steps) {
  if (scene.wsl) {
    wsl_device(scene, steps);
    wsl_driver(scene, steps);
  }
  if (scene.tegra) tegra_nodes(scene, steps);
}

}  // namespace flense::doctor
