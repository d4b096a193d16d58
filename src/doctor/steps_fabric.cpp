// Machines whose GPUs are connected by NVSwitches need NVIDIA's Fabric Manager, matching the
// driver's version, before CUDA starts at all (error 802).
#include <algorithm>

#include "base/format.h"
#include "doctor/groups.h"
#include "host/probe_support.h"
#include "host/process.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::uint64_t kMaxPackages = 64u << 20;
constexpr const char* kSource =
    "CUDA_ERROR_SYSTEM_NOT_READY (802); NVIDIA Fabric Manager User Guide";

/// Version of nvidia-fabricmanager or nvidia-fabricmanager-BRANCH; empty when dpkg has none.
std::string package_version(const Scene& scene) {
  const Result<std::string> status = scene.machine.root.read("var/lib/dpkg/status", kMaxPackages);
  if (!status) return {};
  std::vector<std::string> names = {"nvidia-fabricmanager"};
  constexpr std::string_view kPackage = "Package: nvidia-fabricmanager-";
  for (std::size_t at = status->find(kPackage); at != std::string::npos && names.size() < 16;
       at = status->find(kPackage, at + 1))
    names.push_back(
        host::clean(std::string_view(*status).substr(at + 9, status->find('\n', at) - at - 9)));
  for (const std::string& name : names)
    if (const auto version = host::dpkg_version(*status, name)) return *version;
  return {};
}

}  // namespace

void steps_fabric(const Scene& scene, std::vector<Step>& steps) {
  if (!scene.nvidia || scene.wsl || scene.tegra) return;
  const host::Tree& sys = scene.machine.sys;
  // NVSwitches are bridges of a non-standard class.
  const std::vector<std::string> switches =
      host::pci_functions(sys, [](const host::PciFacts& facts) {
        return facts.vendor == "10de" && facts.device_class.starts_with("0680");
      });
  if (switches.empty()) return;
  Step& step = ask(steps, "fabric-manager", "the Fabric Manager runs beside the driver");
  step.saw(fmt::format("{}: {} at {}", sys.label("bus/pci/devices"),
                       counted(switches.size(), "NVSwitch", "NVSwitches"), switches.front()));
  if (scene.in_container()) return step.skip("it runs on the host");
  const host::Tree& root = scene.machine.root;
  const bool program = root.exists("usr/bin/nv-fabricmanager");
  const std::string version = package_version(scene), module = scene.module_version();
  step.saw(
      fmt::format("{}: {}", root.label("usr/bin/nv-fabricmanager"), program ? "there" : "missing"));
  step.saw(version.empty() ? "no package of it in /var/lib/dpkg/status"
                           : "/var/lib/dpkg/status: " + version);
  const std::string enable = scene.tools.enable("nvidia-fabricmanager");
  const std::string install = fmt::format("{}, of exactly the driver's version, then {}",
                                          scene.tools.install("fabric-manager"), enable);
  const auto alive = process_runs(scene.machine.proc, "nv-fabricmanager");
  if (alive)
    step.saw(fmt::format("processes: nv-fabricmanager {}", *alive ? "runs" : "does not run"));
  if (!program && version.empty() && alive != true)
    return step.broken(
        "this machine has NVSwitches, but no Fabric Manager: cuInit fails with error 802", install,
        kSource);
  if (!version.empty() && !module.empty() && !version.starts_with(module))
    return step.broken(
        fmt::format("the Fabric Manager is {}, and the driver is {}: it refuses to start", version,
                    module),
        install, kSource);
  if (alive == false)
    return step.broken("the Fabric Manager is not running: cuInit fails with error 802",
                       enable + "; its journal says why it stopped", kSource);
  if (!alive)
    return step.unknown("whether the Fabric Manager runs cannot be told: /proc hides processes",
                        "as root flense doctor tells", true);
  step.ok(version.empty() ? "it runs" : version);
}

}  // namespace flense::doctor
