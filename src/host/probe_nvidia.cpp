// NVIDIA's driver and GPUs, from the kernel module's own files.
#include <algorithm>
#include <array>
#include <map>

#include "base/accounts.h"
#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "host/driver_places.h"
#include "host/probe.h"
#include "host/probe_support.h"
#include "host/process.h"

namespace flense::host {

namespace {

constexpr std::string_view kNvidiaVendor = "10de";
constexpr std::string_view kStem = "libcuda.so.";
constexpr std::uint64_t kMaxLoaderCache = 16u << 20;

std::string joined(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

std::vector<std::string> versions_in(const Tree& root, const std::string& folder) {
  std::vector<std::string> out;
  for (const std::string& name : root.list(folder))
    if (name.starts_with(kStem) && is_driver_version(name.substr(kStem.size())))
      out.push_back(name.substr(kStem.size()));
  return out;
}

/// In the directory that has a libcuda.so.1; false when this one has none.
bool take_linked(const Tree& root, const std::string& folder, Nvidia& out) {
  const std::string loaded = joined(folder, "libcuda.so.1");
  const auto real = root.resolve(loaded);
  if (!real) return false;
  const std::string target(base_name(*real));
  out.library_path = Text::known("/" + *real, root.label(loaded));
  if (target.starts_with(kStem) && is_driver_version(target.substr(kStem.size()))) {
    out.library_version = Text::known(target.substr(kStem.size()), root.label(*real));
    return true;
  }
  const std::vector<std::string> versions = versions_in(root, folder);
  if (versions.size() == 1) {
    const std::string path = joined(folder, std::string(kStem) + versions.front());
    out.library_version = Text::known(versions.front(), root.label(path));
    out.library_path = Text::known("/" + path, root.label(path));
  } else {
    out.library_version = Text::unknown(
        versions.empty()
            ? fmt::format("{} does not carry its version", root.label(loaded))
            : fmt::format("{} holds {} versions of libcuda", root.label(folder), versions.size()));
  }
  return true;
}

/// Without the link nothing loads it, but the version says what was installed.
bool take_named(const Tree& root, const std::string& folder, Nvidia& out) {
  const std::vector<std::string> versions = versions_in(root, folder);
  if (versions.empty()) return false;
  const std::string path = joined(folder, std::string(kStem) + versions.front());
  if (versions.size() == 1) {
    out.library_version = Text::known(versions.front(), root.label(path));
    out.library_path = Text::known("/" + path, root.label(path));
  } else {
    out.library_version = Text::unknown(
        fmt::format("{} holds {} versions of libcuda", root.label(folder), versions.size()));
  }
  return true;
}

void probe_library(const Machine& machine, Nvidia& out) {
  const Tree& root = machine.root;
  // What a loader would pick first: links are found by name, and library directories are long.
  for (const auto take : {take_linked, take_named})
    for (const std::string_view driver_root : kNvidiaDriverRoots) {
      if (!driver_root.empty() && !root.is_directory(driver_root)) continue;
      for (const std::string_view below : kNvidiaLibraryFolders) {
        const std::string folder = joined(driver_root, below);
        if (!take(root, folder, out)) continue;
        out.driver_root = Text::known("/" + std::string(driver_root), root.label(folder));
        return;
      }
    }
  out.library_version = Text::unknown("no libcuda.so.1 in the library directories");
  out.library_path = out.driver_root = out.library_version;
}

void probe_module(const Machine& machine, Nvidia& out) {
  constexpr std::string_view kVersion = "driver/nvidia/version";
  const Result<std::string> text = machine.proc.read(kVersion);
  const std::string label = machine.proc.label(kVersion);
  const auto module = text ? parse_nvidia_version(*text) : std::nullopt;
  if (module) {
    out.module_version = Text::known(module->version, label);
    out.module_kind = Text::known(module->open ? "open" : "proprietary", label);
    return;
  }
  out.module_kind = Text::unknown(text ? label + " names no version" : text.error().message);
  out.module_version = parsed_fact<std::string>(
      machine.sys, "module/nvidia/version",
      [](std::string_view line) -> std::optional<std::string> {
        std::string version = clean(line);
        return is_driver_version(version) ? std::optional(version) : std::nullopt;
      });
  if (!out.module_version.value) out.module_version = out.module_kind;
}

void probe_mig(const Tree& proc, Gpu& gpu) {
  if (!gpu.minor.value) {
    gpu.mig = Flag::unknown(gpu.minor.evidence);
    gpu.mig_instances = Number::unknown(gpu.minor.evidence);
    return;
  }
  const std::string folder = fmt::format("driver/nvidia/capabilities/gpu{}/mig", *gpu.minor.value);
  std::uint64_t instances = 0;
  for (const std::string& name : proc.list(folder))
    instances += name.starts_with("gi") && parse_number(name.substr(2)) ? 1U : 0U;
  if (instances > 0) {
    gpu.mig = Flag::known(true, proc.label(folder));
    gpu.mig_instances = Number::known(instances, proc.label(folder));
  } else {
    // MIG enabled without an instance leaves no trace in plain files.
    gpu.mig = Flag::unknown("no MIG instances in " + proc.label(folder));
    gpu.mig_instances = Number::known(0, proc.label(folder));
  }
}

void apply_information(const Machine& machine, const std::string& slot, Gpu& gpu) {
  const std::string path = "driver/nvidia/gpus/" + slot + "/information";
  const std::string label = machine.proc.label(path);
  const Result<std::string> text = machine.proc.read(path);
  const Pairs pairs = text ? colon_pairs(*text) : Pairs();
  const auto fact = [&](std::string_view key) {
    if (!text) return Text::unknown(text.error().message);
    const std::string value = clean(value_of(pairs, key));
    return value.empty() ? Text::unknown(fmt::format("no {} in {}", key, label))
                         : Text::known(value, label);
  };
  gpu.name = fact("Model");
  gpu.uuid = fact("GPU UUID");
  // Before the GPU is first opened, the module prints question marks.
  if (gpu.uuid.value && gpu.uuid.value->find('?') != std::string::npos)
    gpu.uuid = Text::unknown(label + ": the GPU has not been opened yet");
  const Text minor = fact("Device Minor");
  const auto number = minor.value ? parse_number(*minor.value) : std::nullopt;
  gpu.minor = number ? Number::known(*number, label) : Number::unknown(minor.evidence);
  probe_mig(machine.proc, gpu);
}

/// The GPU of a Jetson is part of its processor and on no bus.
std::optional<Gpu> tegra_gpu(const Machine& machine, const System& system) {
  if (!system.jetson.value && !machine.proc.exists("device-tree/compatible")) return std::nullopt;
  const Text architecture =
      parsed_fact<std::string>(machine.proc, "device-tree/compatible", tegra_architecture);
  if (!architecture.value) return std::nullopt;
  Gpu gpu;
  gpu.vendor = "nvidia";
  gpu.name = system.board;
  gpu.architecture = architecture;
  const std::string reason = "an integrated GPU has none";
  gpu.uuid = gpu.pci_address = gpu.pci_id = gpu.link_speed = gpu.link_speed_max =
      Text::unknown(reason);
  gpu.link_width = gpu.link_width_max = gpu.minor = Number::unknown(reason);
  gpu.numa_node = Number::unknown(reason);
  gpu.kernel_driver = Text::unknown("not read for integrated GPUs");
  gpu.memory_bytes = Number::unknown("shared with the processor");
  gpu.mig = Flag::known(false, architecture.evidence);
  gpu.mig_instances = Number::known(0, architecture.evidence);
  return gpu;
}

/// The pipes of a daemon, where it and NVIDIA's device plugin put them; those that a daemon left
/// behind do not count.
Text probe_mps(const Machine& machine) {
  for (const std::string directory : {"tmp/nvidia-mps", "run/nvidia/mps/nvidia.com/gpu/pipe"}) {
    const std::string pipe = directory + "/control";
    if (machine.root.exists(pipe) && process_runs(machine.proc, "nvidia-cuda-mps-control") != false)
      return Text::known("/" + directory, machine.root.label(pipe));
  }
  return {};
}

/// The loader may find it where the cache says, and in a container not all of the host is seen.
Flag library_there(const Machine& machine, const System& system, const Nvidia& nvidia) {
  if (nvidia.library_path.value) return Flag::known(true, nvidia.library_path.evidence);
  const Tree& root = machine.root;
  const Result<std::string> cache = root.read("etc/ld.so.cache", kMaxLoaderCache);
  if (cache && cache->contains("libcuda.so.1"))
    return Flag::unknown(root.label("etc/ld.so.cache") + " names a libcuda.so.1");
  const bool looked = std::ranges::any_of(kNvidiaLibraryFolders, [&](std::string_view folder) {
    return root.exists(joined(folder, "libc.so.6"));
  });
  const bool elsewhere =
      std::ranges::find(kDriversElsewhere, system.distribution_id.value.value_or("")) !=
      kDriversElsewhere.end();
  if (!looked || elsewhere || system.in_container.value != false)
    return Flag::unknown("no libcuda.so.1 is seen here");
  return Flag::known(false, "no libcuda.so.1 in the library directories");
}

Text node_access(const Machine& machine) {
  constexpr std::string_view kNode = "nvidiactl";
  const std::string label = machine.dev.label(kNode);
  const auto node = machine.dev.node(kNode);
  if (!node || node->kind != DeviceNode::Kind::kDevice) return Text::unknown("no " + label);
  const auto text = [&](std::string_view path) {
    return machine.root.read(path, kMaxAccounts).value_or(std::string());
  };
  const auto account = find_account(text("etc/passwd"), node->uid);
  std::string user = account ? account->name : std::string();
  if (user.empty()) user = node->uid == 0 ? "root" : fmt::format("{}", node->uid);
  std::string group = group_name(text("etc/group"), node->gid);
  if (group.empty()) group = node->gid == 0 ? "root" : fmt::format("{}", node->gid);
  return Text::known(fmt::format("{:04o} {}:{}", node->mode & 0777, clean(user), clean(group)),
                     label);
}

}  // namespace

Nvidia probe_nvidia_module(const Machine& machine) {
  Nvidia out;
  probe_module(machine, out);
  return out;
}

Nvidia probe_nvidia_driver(const Machine& machine) {
  Nvidia out = probe_nvidia_module(machine);
  probe_library(machine, out);
  return out;
}

Nvidia probe_nvidia(const Machine& machine, const System& system) {
  Nvidia out = probe_nvidia_driver(machine);
  if (system.wsl2.value.value_or(false) && !out.module_version.value)
    out.module_version = out.module_kind =
        Text::unknown("on WSL2 the driver is Windows's; only its library knows the version");

  if (!out.module_version.value)
    out.agree = Flag::unknown(out.module_version.evidence);
  else if (!out.library_version.value)
    out.agree = Flag::unknown(out.library_version.evidence);
  else
    out.agree = Flag::known(
        *out.module_version.value == *out.library_version.value,
        fmt::format("{} and {}", out.module_version.evidence, out.library_version.evidence));

  if (out.module_version.value || out.driver_root.value)
    out.installed = Flag::known(
        true, (out.module_version.value ? out.module_version : out.driver_root).evidence);
  else
    out.installed = Flag::known(false, out.library_version.evidence);

  const std::string socket = "run/nvidia-persistenced/socket";
  out.persistenced =
      machine.root.exists(socket)
          ? Flag::known(true, machine.root.label(socket))
          : Flag::known(false, "no " + machine.root.label("run/nvidia-persistenced/socket"));
  out.mps_directory = probe_mps(machine);
  out.module = module_fact(machine, "nvidia");
  out.library = library_there(machine, system, out);
  out.node_access = node_access(machine);
  out.toolkit_version = probe_container_toolkit(machine);
  out.toolkit = probe_toolkit_programs(machine);
  return out;
}

std::vector<Gpu> probe_nvidia_gpus(const Machine& machine, const System& system) {
  // The kernel module's list and the bus's, joined by address: a GPU passed through to a virtual
  // machine is on the bus only.
  std::map<std::string, std::string> slots;  // address -> folder name
  for (const std::string& name : machine.proc.list("driver/nvidia/gpus"))
    if (const auto address = pci_address(name)) slots.emplace(*address, name);
  for (const std::string& address : pci_functions(machine.sys, [](const PciFacts& facts) {
         return facts.vendor == kNvidiaVendor && facts.device_class.starts_with("03");
       }))
    slots.emplace(address, address);

  std::vector<Gpu> out;
  for (const auto& [address, slot] : slots) {
    Gpu gpu = pci_gpu(machine.sys, address, "nvidia");
    apply_information(machine, slot, gpu);
    out.push_back(std::move(gpu));
  }
  if (out.empty())
    if (auto gpu = tegra_gpu(machine, system)) out.push_back(*std::move(gpu));
  return out;
}

}  // namespace flense::host
