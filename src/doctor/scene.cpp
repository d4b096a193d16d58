#include "doctor/scene.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/numbers.h"
#include "host/probe_support.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::array<std::string_view, 19> kVariables = {"NVIDIA_VISIBLE_DEVICES",
                                                         "NVIDIA_DRIVER_CAPABILITIES",
                                                         "CUDA_VISIBLE_DEVICES",
                                                         "CUDA_MPS_PIPE_DIRECTORY",
                                                         "ROCR_VISIBLE_DEVICES",
                                                         "HIP_VISIBLE_DEVICES",
                                                         "GPU_DEVICE_ORDINAL",
                                                         "HSA_OVERRIDE_GFX_VERSION",
                                                         "LD_LIBRARY_PATH",
                                                         "PATH",
                                                         "HOME",
                                                         "PYTHONPATH",
                                                         "DOCKER_HOST",
                                                         "KUBERNETES_SERVICE_HOST",
                                                         "APPTAINER_CONTAINER",
                                                         "SINGULARITY_CONTAINER",
                                                         "container",
                                                         "SLURM_JOB_ID",
                                                         "JAX_PLATFORMS"};

std::vector<std::uint32_t> numbers(std::string_view text) {
  std::vector<std::uint32_t> out;
  while (!text.empty() && out.size() < 4096) {
    const std::size_t start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(word.size());
    if (const auto number = parse_number(word); number && *number <= UINT32_MAX)
      out.push_back(static_cast<std::uint32_t>(*number));
  }
  return out;
}

/// Real, effective, saved, file system: the effective one decides.
User read_user(const host::Tree& proc) {
  User out;
  constexpr std::string_view kStatus = "self/status";
  const Result<std::string> text = proc.read(kStatus);
  if (!text) {
    out.evidence = text.error().message;
    return out;
  }
  const host::Pairs pairs = host::colon_pairs(*text);
  const auto uids = numbers(host::value_of(pairs, "Uid"));
  const auto gids = numbers(host::value_of(pairs, "Gid"));
  if (uids.size() < 2 || gids.size() < 2) {
    out.evidence = proc.label(kStatus) + " names no user";
    return out;
  }
  out.known = true;
  out.uid = uids[1];
  out.gid = gids[1];
  out.groups = numbers(host::value_of(pairs, "Groups"));
  out.evidence =
      fmt::format("{}: user {}, group {}, further groups {}", proc.label(kStatus), out.uid, out.gid,
                  out.groups.empty() ? "none" : fmt::format("{}", fmt::join(out.groups, " ")));
  return out;
}

std::map<std::string, std::uint32_t, std::less<>> read_majors(const host::Tree& proc) {
  std::map<std::string, std::uint32_t, std::less<>> out;
  const Result<std::string> text = proc.read("devices");
  if (!text) return out;
  std::string_view rest = std::string_view(*text).substr(0, text->find("Block devices"));
  while (!rest.empty()) {
    const std::string line = host::clean(rest.substr(0, rest.find('\n')));
    const std::size_t end = rest.find('\n');
    const std::size_t blank = line.find(' ');
    if (blank != std::string::npos)
      if (const auto number = parse_number(line.substr(0, blank)); number && *number < 4096)
        out.emplace(host::clean(line.substr(blank)), static_cast<std::uint32_t>(*number));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return out;
}

/// Lines of mountinfo: "36 35 98:0 / / rw,noatime - overlay overlay rw,lowerdir=…".
bool overlay_root(const host::Tree& proc) {
  constexpr std::uint64_t kMaxMounts = 8u << 20;
  const Result<std::string> text = proc.read("self/mountinfo", kMaxMounts);
  if (!text) return false;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t root = line.find(" / / "), dash = line.find(" - ");
    if (root == std::string_view::npos || dash == std::string_view::npos) continue;
    const std::string_view kind = line.substr(dash + 3);
    if (kind.starts_with("overlay ") || kind.starts_with("fuse.fuse-overlayfs ")) return true;
  }
  return false;
}

std::string container_mark(const host::Machine& machine, const host::Profile& profile,
                           const Environment& environment) {
  if (profile.system.in_container.value == true) return profile.system.in_container.evidence;
  if (machine.root.exists(".singularity.d")) return machine.root.label(".singularity.d");
  for (const char* name :
       {"KUBERNETES_SERVICE_HOST", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "container"})
    if (environment.contains(name)) return fmt::format("the variable {}", name);
  if (const Result<std::string> groups = machine.proc.read("1/cgroup"))
    for (const char* word : {"kubepods", "/docker/", "docker-", "libpod", "/lxc", "cri-containerd"})
      if (groups->find(word) != std::string::npos)
        return fmt::format("{} says {}", machine.proc.label("1/cgroup"), word);
  // containerd leaves no trace at all. Live and diskless systems also have an overlay as their
  // root, but they have an init.
  const Result<std::string> init = machine.proc.read("1/comm");
  if (init && *init != "systemd\n" && *init != "init\n" && overlay_root(machine.proc))
    return fmt::format("{} shows an overlay as root, and process 1 is {}",
                       machine.proc.label("self/mountinfo"), host::clean(*init));
  return {};
}

/// A VGA controller, as boards have one of their own: AMD's in a processor or of a server's console
/// beside an NVIDIA GPU is not meant for computing.
bool drives_a_display(const host::Machine& machine, const host::Gpu& gpu) {
  return gpu.pci_address.value &&
         host::pci_facts(machine.sys, *gpu.pci_address.value).device_class.starts_with("0300");
}

}  // namespace

std::span<const std::string_view> variables() {
  return kVariables;
}

Scene::Scene(const host::Machine& of, const host::Profile& facts, const Environment& values,
             const knowledge::Knowledge& known)
    : machine(of), profile(facts), environment(values), tables(known), tools(of, facts) {
  container = container_mark(machine, profile, environment);
  wsl = profile.system.wsl2.value == true;
  tegra = profile.system.jetson.value.has_value();
  nvidia = wsl || !gpus("nvidia").empty() || !nvidia_nodes().empty();
  for (const host::Gpu* gpu : gpus("amd")) {
    if (nvidia && drives_a_display(machine, *gpu))
      displays.push_back(gpu);
    else
      amd = true;
  }
  // A container sees every card of the machine on the bus; those with nodes were given to it.
  if (in_container() && nvidia && amd) {
    const bool given = !nvidia_nodes().empty() || machine.dev.exists("nvidiactl");
    const bool given_amd = machine.dev.exists("kfd");
    nvidia = given || !given_amd;
    amd = given_amd || !given;
  }
  user = read_user(machine.proc);
  majors = read_majors(machine.proc);
  const std::string* path = variable("LD_LIBRARY_PATH");
  const std::string folders = path != nullptr ? *path : "";
  const std::uint16_t processor = elf_machine(profile.system.architecture.value.value_or(""));
  libcuda = find_library(machine.root, "libcuda.so.1", folders, processor);
  nvml = find_library(machine.root, "libnvidia-ml.so.1", folders, processor).found.has_value();
}

const std::string* Scene::variable(std::string_view name) const {
  const auto at = environment.find(name);
  return at == environment.end() ? nullptr : &at->second;
}

std::vector<const host::Gpu*> Scene::gpus(std::string_view vendor) const {
  std::vector<const host::Gpu*> out;
  for (const host::Gpu& gpu : profile.gpus)
    if (gpu.vendor == vendor && std::find(displays.begin(), displays.end(), &gpu) == displays.end())
      out.push_back(&gpu);
  return out;
}

std::vector<std::uint64_t> Scene::nvidia_nodes() const {
  constexpr std::string_view kStem = "nvidia";
  std::vector<std::uint64_t> out;
  for (const std::string& name : machine.dev.list(""))
    if (name.starts_with(kStem))
      if (const auto minor = parse_number(std::string_view(name).substr(kStem.size())))
        out.push_back(*minor);
  std::sort(out.begin(), out.end());
  return out;
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string gpu_name(const host::Gpu& gpu) {
  const std::string name = gpu.name.value     ? *gpu.name.value
                           : gpu.pci_id.value ? "GPU " + *gpu.pci_id.value
                                              : gpu.vendor + " GPU";
  return gpu.pci_address.value ? fmt::format("{} at {}", name, *gpu.pci_address.value) : name;
}

Step& ask(std::vector<Step>& steps, std::string id, std::string title) {
  Step& step = steps.emplace_back();
  step.id = std::move(id);
  step.title = std::move(title);
  return step;
}

}  // namespace flense::doctor
