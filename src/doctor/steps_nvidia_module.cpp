// NVIDIA's kernel module: nothing in its way, built for this kernel, allowed to load, loaded, and
// driving every GPU.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "doctor/groups.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::uint64_t kMaxIndex = 8u << 20, kMaxModule = 256u << 20;
constexpr std::size_t kMaxKernels = 64;
constexpr std::string_view kSecureBoot =
    "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

bool loaded(const Scene& scene) {
  return scene.profile.nvidia.module_version.value || scene.machine.sys.exists("module/nvidia") ||
         scene.machine.proc.exists("driver/nvidia/version");
}

/// The path of NVIDIA's module in a kernel's modules.dep, without the folder of the kernel.
std::string module_path(const host::Tree& root, const std::string& kernel, bool& readable) {
  const Result<std::string> index =
      root.read(fmt::format("lib/modules/{}/modules.dep", kernel), kMaxIndex);
  readable = index.has_value();
  if (!index) return {};
  std::string_view rest = *index;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string_view path = line.substr(0, line.find(':'));
    // Debian's package calls it nvidia-current.ko; .zst, .xz and .gz may follow.
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (name.starts_with("nvidia.ko") || name.starts_with("nvidia-current.ko"))
      return std::string(path);
  }
  return {};
}

void conflict(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-conflict", "nouveau does not hold the GPUs");
  for (const host::Gpu* gpu : scene.gpus("nvidia")) {
    if (!gpu->pci_address.value) continue;
    step.saw(fmt::format("{}: driver {}", *gpu->pci_address.value,
                         gpu->kernel_driver.value.value_or("none")));
    if (gpu->kernel_driver.value == "nouveau" || gpu->kernel_driver.value == "nova_core")
      return step.broken(
          fmt::format("{} belongs to {}, which runs no CUDA", gpu_name(*gpu),
                      *gpu->kernel_driver.value),
          "install NVIDIA's driver, put 'blacklist nouveau' and 'options nouveau modeset=0' into "
          "/etc/modprobe.d/nouveau.conf, " +
              scene.tools.rebuild_initramfs() + " and reboot",
          "NVIDIA Driver Installation Guide");
  }
  step.ok("no GPU belongs to nouveau");
}

/// The driver's source as DKMS keeps it: "/usr/src/nvidia-550.54.15", Debian's nvidia-current-….
std::string dkms_source(const host::Tree& root) {
  for (const std::string& name : root.list("usr/src")) {
    const std::size_t dash = name.rfind('-');
    if (name.starts_with("nvidia-") && host::is_driver_version(name.substr(dash + 1)) &&
        root.exists(fmt::format("usr/src/{}/dkms.conf", name)))
      return "usr/src/" + name;
  }
  return {};
}

/// How DKMS gets to build for this kernel.
std::string build_module(const Scene& scene, const std::string& kernel) {
  const bool headers =
      scene.machine.root.exists(fmt::format("lib/modules/{}/build/Makefile", kernel));
  const std::string build = scene.tools.command(fmt::format("dkms autoinstall -k {}", kernel));
  return headers ? fmt::format("{}; where that fails, make.log below /var/lib/dkms says why", build)
                 : fmt::format("{}, then {}", scene.tools.install_headers(kernel), build);
}

std::string install_driver(const Tools& tools) {
  const std::string ubuntu = tools.package_of("ubuntu-drivers");
  const std::string package = tools.package_of("driver");
  if (!ubuntu.empty()) return tools.command("ubuntu-drivers install");
  return package.empty() ? "install NVIDIA's driver: the distribution's package or NVIDIA's own"
                         : tools.install("driver") +
                               " (from the distribution's non-free packages "
                               "or NVIDIA's repository)";
}

void built(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-built", "the module exists for the running kernel");
  if (loaded(scene)) return step.skip("it is loaded");
  const host::Tree& root = scene.machine.root;
  if (!scene.profile.system.kernel.value)
    return step.unknown("the running kernel is unknown", "mount /proc, or name it with --proc",
                        false);
  const std::string& kernel = *scene.profile.system.kernel.value;
  bool readable = false;
  const std::string here = module_path(root, kernel, readable);
  const std::string index = root.label(fmt::format("lib/modules/{}/modules.dep", kernel));
  step.saw(fmt::format("{}: {}", index,
                       !readable      ? "cannot be read"
                       : here.empty() ? "no nvidia.ko"
                                      : host::clean(here)));
  if (!here.empty()) return step.ok("nvidia.ko is there for " + kernel);
  const std::string source = dkms_source(root);
  if (!source.empty()) step.saw(root.label(source) + ": the driver's source");
  std::string other;
  for (const std::string& name : root.list("lib/modules", kMaxKernels)) {
    bool ignored = false;
    if (name != kernel && !module_path(root, name, ignored).empty()) other = host::clean(name);
  }
  if (!other.empty()) {
    step.saw(root.label(fmt::format("lib/modules/{}/modules.dep", other)) + ": has nvidia.ko");
    return step.broken(
        fmt::format("NVIDIA's module is built for kernel {}, and {} is running", other, kernel),
        (source.empty() ? fmt::format("install the driver's module for {}", kernel)
                        : build_module(scene, kernel)) +
            ", or boot " + other);
  }
  if (!readable)
    return step.unknown(fmt::format("{} cannot be read, so the module may be there or not", index),
                        "let root read it, or name a whole copy of the machine with --root", false);
  if (!source.empty())
    return step.broken(
        fmt::format("the driver's source is installed, and no module is built of it for {}",
                    kernel),
        build_module(scene, kernel), "NVIDIA Driver Installation Guide");
  step.broken("NVIDIA's driver is not installed: no kernel here has nvidia.ko",
              install_driver(scene.tools), "NVIDIA Driver Installation Guide");
}

void allowed(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-signature", "the kernel accepts the module's signature");
  if (loaded(scene)) return step.skip("it is loaded");
  const host::Tree& sys = scene.machine.sys;
  const Result<std::string> variable = sys.read(kSecureBoot);
  // Four bytes of attributes, then the value.
  const bool secure = variable && variable->size() == 5 && (*variable)[4] == 1;
  step.saw(fmt::format("{}: {}", sys.label(kSecureBoot),
                       !variable ? "cannot be read"
                       : secure  ? "on"
                                 : "off"));
  const Result<std::string> enforce = sys.read("module/module/parameters/sig_enforce");
  const bool enforced = enforce && enforce->starts_with('Y');
  if (enforce) step.saw("/sys/module/module/parameters/sig_enforce: " + host::clean(*enforce));
  if (!secure && !enforced) return step.ok("unsigned modules may load");

  const std::string kernel = scene.profile.system.kernel.value.value_or("");
  bool readable = false;
  const std::string relative = module_path(scene.machine.root, kernel, readable);
  if (relative.empty()) return step.skip("there is no module to look at");
  const std::string path = fmt::format("lib/modules/{}/{}", kernel, relative);
  const Result<MappedFile> file = scene.machine.root.map(path);
  const std::string remedy =
      "turn Secure Boot off, or sign the module and have the firmware know the key: " +
      scene.tools.command("mokutil --import KEY") + ", and enrol it at the next boot";
  if (path.ends_with(".ko") && file && file->bytes().size() <= kMaxModule) {
    const bool is_signed = as_text(file->bytes()).ends_with("~Module signature appended~\n");
    step.saw(fmt::format("{}: {}", scene.machine.root.label(path),
                         is_signed ? "carries a signature" : "carries no signature"));
    if (!is_signed)
      return step.broken(
          "Secure Boot is on and NVIDIA's module is not signed: the kernel refuses it", remedy,
          "Linux kernel, Kernel module signing facility");
  }
  step.warn("Secure Boot is on: a module signed with a key that is not enrolled is refused",
            remedy);
}

void is_loaded(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-loaded", "NVIDIA's kernel module is loaded");
  const host::Nvidia& nvidia = scene.profile.nvidia;
  step.saw(nvidia.module_version.evidence);
  if (nvidia.module_version.value)
    return step.ok(fmt::format("{}{}", *nvidia.module_version.value,
                               nvidia.module_kind.value ? ", " + *nvidia.module_kind.value : ""));
  if (loaded(scene))
    return step.unknown("the module is loaded, but does not tell its version",
                        "look into /proc/driver/nvidia/version", false);
  const host::Tree& root = scene.machine.root;
  for (const char* folder : {"etc/modprobe.d", "usr/lib/modprobe.d"})
    for (const std::string& name : root.list(folder)) {
      const std::string path = fmt::format("{}/{}", folder, name);
      const Result<std::string> text = root.read(path);
      if (!name.ends_with(".conf") || !text || !host::mentions(*text, "blacklist nvidia")) continue;
      step.saw(root.label(path) + ": blacklist nvidia");
      return step.broken(
          "NVIDIA's module is not loaded, and " + root.label(path) + " keeps it out",
          "take 'blacklist nvidia' out of it, then " + scene.tools.command("modprobe nvidia"));
    }
  if (scene.in_container())
    return step.broken("the host has not loaded NVIDIA's kernel module",
                       "on the host, not in the container, load it; flense doctor there says why "
                       "it does not load");
  step.broken("NVIDIA's kernel module is not loaded", scene.tools.command("modprobe nvidia") +
                                                          "; if that fails, " +
                                                          scene.tools.kernel_log("NVRM"));
}

/// Of the loaded module, or of the driver that is installed.
std::string driver_version(const Scene& scene) {
  const std::string loaded = scene.module_version();
  return loaded.empty() ? scene.profile.nvidia.library_version.value.value_or("") : loaded;
}

/// The architecture of a GPU, also of one that no driver has told the name of.
const knowledge::ArchitectureRow* architecture(const Scene& scene, const host::Gpu& gpu) {
  const knowledge::Architectures& known = scene.tables.architectures;
  if (gpu.architecture.value) return known.find(*gpu.architecture.value);
  return gpu.pci_id.value ? known.of_old_chip(*gpu.pci_id.value) : nullptr;
}

void branch(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-branch", "the driver's branch still has the GPUs");
  const std::string version = driver_version(scene);
  const auto driver = first_number(version);
  if (!driver) return step.skip("the driver's version is unknown");
  step.saw("driver " + version);
  for (const host::Gpu* gpu : scene.gpus("nvidia")) {
    const knowledge::ArchitectureRow* row = architecture(scene, *gpu);
    if (row == nullptr || row->last_driver_branch == 0) continue;
    step.saw(fmt::format("{}: {}, last branch {}", gpu_name(*gpu), row->codename,
                         row->last_driver_branch));
    if (*driver <= row->last_driver_branch) continue;
    const knowledge::BranchRow* last = scene.tables.drivers.branch(row->last_driver_branch);
    return step.broken(
        fmt::format("{} is of {}, whose last driver branch is {}: driver {} does not drive it",
                    gpu_name(*gpu), row->codename, row->last_driver_branch, version),
        fmt::format("install a driver of branch {} and keep it there{}", row->last_driver_branch,
                    last == nullptr ? "" : "; it runs CUDA up to " + last->cuda),
        row->source);
  }
  step.ok("branch " + version.substr(0, version.find('.')));
}

void kind(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-kind", "the kind of module suits the GPUs");
  const host::Text& kind = scene.profile.nvidia.module_kind;
  if (!kind.value) return step.skip("the kind is unknown: " + kind.evidence);
  step.saw(fmt::format("{}: {}", kind.evidence, *kind.value));
  for (const host::Gpu* gpu : scene.gpus("nvidia")) {
    if (!gpu->architecture.value) continue;
    step.saw(fmt::format("{}: {}", gpu_name(*gpu), *gpu->architecture.value));
    const bool open_only = version_at_least(*gpu->architecture.value, "10.0");
    const bool closed_only = !version_at_least(*gpu->architecture.value, "7.5");
    if (open_only && *kind.value == "proprietary")
      return step.broken(
          gpu_name(*gpu) + " needs the open kernel module, and the proprietary one is loaded",
          "install the open variant (nvidia-open, nvidia-driver-NNN-open) and reboot",
          "NVIDIA Driver Installation Guide, kernel modules");
    if (closed_only && *kind.value == "open")
      return step.broken(
          gpu_name(*gpu) + " is older than Turing: the open kernel module does not drive it",
          "install the proprietary variant of the driver and reboot",
          "NVIDIA Driver Installation Guide, kernel modules");
  }
  step.ok(*kind.value);
}

void drives(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "module-gpus", "the module drives every GPU");
  if (!loaded(scene)) return step.skip("the module is not loaded");
  if (scene.in_container()) return step.skip("a container sees its own GPUs only");
  const host::Tree& proc = scene.machine.proc;
  std::vector<std::string> driven;
  for (const std::string& name : proc.list("driver/nvidia/gpus"))
    if (const auto address = host::pci_address(name)) driven.push_back(*address);
  step.saw(fmt::format("{}: {}", proc.label("driver/nvidia/gpus"), fmt::join(driven, " ")));
  std::size_t count = 0;
  std::string lost;
  for (const host::Gpu* gpu : scene.gpus("nvidia")) {
    const std::string address = gpu->pci_address.value.value_or("");
    const std::string driver = gpu->kernel_driver.value.value_or("");
    if (address.empty() || driver.starts_with("vfio") || driver == "pci-stub") continue;
    ++count;
    if (std::find(driven.begin(), driven.end(), address) == driven.end()) {
      if (lost.empty()) lost = gpu_name(*gpu);
      continue;
    }
    const Result<std::string> text = proc.read("driver/nvidia/gpus/" + address + "/information");
    if (text && host::value_of(host::colon_pairs(*text), "GPU Excluded") == "Yes")
      return step.broken(
          gpu_name(*gpu) + " is excluded from the driver",
          "take it out of NVreg_ExcludedGpus in /etc/modprobe.d and load the module again");
  }
  if (!lost.empty())
    return step.broken(lost + " is on the bus, but the module does not drive it",
                       scene.tools.kernel_log("NVRM") +
                           ": the driver may be too old for this GPU, or the GPU failed to start");
  step.ok(fmt::format("{} of {}", driven.size(), count));
}

}  // namespace

void steps_nvidia_module(const Scene& scene, std::vector<Step>& steps) {
  // On WSL2 the driver is Windows's, on a Jetson it is part of the kernel.
  if (!scene.nvidia || scene.wsl || scene.tegra) return;
  if (!scene.in_container()) {
    conflict(scene, steps);
    built(scene, steps);
    branch(scene, steps);
    allowed(scene, steps);
  }
  is_loaded(scene, steps);
  kind(scene, steps);
  drives(scene, steps);
}

}  // namespace flense::doctor
