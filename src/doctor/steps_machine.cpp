// What this machine is, and whether a GPU is there and responds on its bus.
#include "base/format.h"
#include "doctor/groups.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

void machine_kind(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "machine", "what this machine is");
  const host::System& system = scene.profile.system;
  const auto seen = [&](const host::Text& fact) {
    if (fact.value) step.saw(fmt::format("{}: {}", fact.evidence, *fact.value));
    return fact.value.value_or("");
  };
  std::string kind = scene.tegra ? "a Jetson" : scene.wsl ? "WSL2" : "a host";
  if (scene.in_container())
    kind = scene.tegra || scene.wsl ? "a container on " + kind : "a container";
  std::string text = kind;
  for (const host::Text* fact : {&system.board, &system.distribution, &system.kernel})
    if (const std::string value = seen(*fact); !value.empty()) text += ", " + value;
  if (scene.in_container()) step.saw("container: " + scene.container);
  step.saw(scene.user.evidence);
  step.ok(std::move(text));
}

void gpu_present(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "gpu-present", "a GPU is there");
  const host::Profile& profile = scene.profile;
  step.saw(profile.gpu_count.evidence);
  for (const host::Gpu& gpu : profile.gpus)
    step.saw(fmt::format("{}: {}", gpu.pci_address.evidence, gpu_name(gpu)));
  for (const host::Gpu* gpu : scene.displays)
    step.saw(gpu_name(*gpu) + " drives a display and is not asked about");
  if (!profile.gpus.empty())
    return step.ok(counted(profile.gpus.size(), "GPU", "GPUs") + ": " +
                   gpu_name(profile.gpus.front()));
  if (scene.wsl && scene.machine.dev.exists("dxg"))
    return step.ok("WSL2 shows its GPUs through " + scene.machine.dev.label("dxg"));
  if (!scene.nvidia_nodes().empty())
    return step.ok(fmt::format("{} in {}", counted(scene.nvidia_nodes().size(), "node", "nodes"),
                               scene.machine.dev.label("")));
  if (scene.wsl)
    return step.broken("WSL2 shows no GPU: there is no " + scene.machine.dev.label("dxg"),
                       "install the NVIDIA driver on Windows, then run wsl --update and "
                       "wsl --shutdown there",
                       "CUDA on WSL User Guide");
  if (!profile.gpu_count.value)
    return step.unknown("the PCI bus cannot be seen, so there may be a GPU or none",
                        "mount /sys, or name it with --sys", true);
  step.broken(
      "there is no NVIDIA or AMD GPU on the PCI bus",
      scene.in_container()
          ? "this container runs on a machine without a GPU: ask the scheduler for a GPU "
            "(nvidia.com/gpu or amd.com/gpu in Kubernetes, --gpus in Slurm)"
          : "on a virtual machine ask for a GPU to be passed through; on a server reseat the card "
            "and its power cable");
}

/// A dead card still has its directory, but its configuration space reads as ones.
void gpu_bus(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "gpu-bus", "each GPU answers on its bus");
  std::string dead;
  std::size_t asked = 0;
  for (const host::Gpu& gpu : scene.profile.gpus) {
    if (!gpu.pci_address.value) continue;
    const std::string path = fmt::format("bus/pci/devices/{}/config", *gpu.pci_address.value);
    const Result<std::string> config = scene.machine.sys.read(path);
    if (!config || config->size() < 4) continue;
    ++asked;
    const bool ones = config->substr(0, 4) == "\xff\xff\xff\xff";
    step.saw(fmt::format("{}: {}", scene.machine.sys.label(path), ones ? "only ones" : "answers"));
    if (ones && dead.empty()) dead = gpu_name(gpu);
  }
  if (!dead.empty())
    return step.broken(dead + " has fallen off the bus",
                       "look for Xid 79 in the kernel log; power the machine off and on; if it "
                       "returns, check power supply, heat and seating of the card",
                       "NVIDIA Xid errors, Xid 79");
  if (asked == 0) return step.skip("no PCI configuration space to read");
  step.ok(counted(asked, "GPU answers", "GPUs answer"));
}

void gpu_bound(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "gpu-free", "no GPU is reserved for a virtual machine");
  std::size_t aside = 0, all = 0;
  std::string name;
  for (const host::Gpu& gpu : scene.profile.gpus) {
    if (!gpu.pci_address.value) continue;
    ++all;
    const std::string driver = gpu.kernel_driver.value.value_or("none");
    step.saw(fmt::format("{}: driver {}", *gpu.pci_address.value, driver));
    if (!driver.starts_with("vfio") && driver != "pci-stub") continue;
    if (aside++ == 0) name = fmt::format("{} belongs to {}", gpu_name(gpu), driver);
  }
  if (all == 0) return step.skip("no GPU on a PCI bus");
  const std::string remedy =
      "give it back: remove its identity from vfio-pci.ids (kernel command line and "
      "/etc/modprobe.d) and reboot, or bind it by hand in /sys/bus/pci/drivers";
  if (aside == all) return step.broken(name, remedy);
  if (aside > 0) return step.warn(name, remedy);
  step.ok("none belongs to vfio-pci");
}

}  // namespace

void steps_machine(const Scene& scene, std::vector<Step>& steps) {
  machine_kind(scene, steps);
  gpu_present(scene, steps);
  if (scene.profile.gpus.empty()) return;
  gpu_bus(scene, steps);
  gpu_bound(scene, steps);
}

}  // namespace flense::doctor
