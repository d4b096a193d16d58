// What runs beside the driver, and what reduces speed: persistence, MPS, PCI links, RDMA.
#include <algorithm>

#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "doctor/groups.h"
#include "host/process.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

void persistence(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "persistence", "whether the driver stays loaded between programs");
  const host::Flag& flag = scene.profile.nvidia.persistenced;
  step.saw(flag.evidence);
  if (scene.in_container()) return step.skip("the host's business");
  step.ok(flag.value == true
              ? "yes, nvidia-persistenced runs"
              : "no, nvidia-persistenced is not running: the first program waits for the GPU, a "
                "second or more");
}

void mps(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "mps", "the MPS daemon can be reached where one is named");
  const std::string* value = scene.variable("CUDA_MPS_PIPE_DIRECTORY");
  const std::string folder = value != nullptr ? host::clean(*value) : "/tmp/nvidia-mps";
  const host::Tree& root = scene.machine.root;
  const bool directory = root.is_directory(folder), pipe = root.exists(folder + "/control");
  step.saw(value == nullptr ? "CUDA_MPS_PIPE_DIRECTORY is not set"
                            : "CUDA_MPS_PIPE_DIRECTORY=" + folder);
  step.saw(fmt::format("{}: {}", root.label(folder + "/control"), pipe ? "there" : "missing"));
  constexpr const char* kSource =
      "CUDA_ERROR_MPS_CONNECTION_FAILED (805); NVIDIA MPS documentation";
  if (value != nullptr && !pipe)
    return step.warn(
        fmt::format(
            "CUDA_MPS_PIPE_DIRECTORY is {}, where no daemon listens: programs run without MPS, or "
            "fail with error 805",
            folder),
        scene.in_container()
            ? "mount the host's pipe directory at that path and share its IPC namespace "
              "(--ipc=host), "
              "or unset the variable"
            : "unset it, or start the daemon with the same variable: " +
                  scene.tools.command("nvidia-cuda-mps-control -d"),
        kSource);
  if (!pipe) return step.skip(directory ? "no daemon" : "not in use");
  // The daemon cannot be seen from another PID namespace.
  if (scene.in_container()) return step.ok(root.label(folder + "/control"));
  const auto alive = process_runs(scene.machine.proc, "nvidia-cuda-mps-control");
  if (alive)
    step.saw(fmt::format("processes: nvidia-cuda-mps {}", *alive ? "runs" : "is not there"));
  if (alive == true) return step.ok("the daemon runs");
  if (!alive)
    return step.unknown("whether an MPS daemon runs cannot be told: /proc hides processes",
                        "as root flense doctor tells", false);
  step.warn(root.label(folder + "/control") + " is left over: no MPS daemon is running",
            "remove the directory, or start the daemon: " +
                scene.tools.command("nvidia-cuda-mps-control -d"),
            kSource);
}

/// Lanes of the port above a GPU; nullopt where sysfs shows none.
std::optional<std::uint64_t> lanes_above(const host::Tree& sys, const std::string& address) {
  const auto real = sys.resolve("bus/pci/devices/" + address);
  if (!real) return std::nullopt;
  const std::string_view port = parent_path(*real);
  if (!host::pci_address(base_name(port))) return std::nullopt;
  const Result<std::string> text = sys.read(std::string(port) + "/max_link_width");
  const auto lanes = text ? parse_number(*text) : std::nullopt;
  return lanes && *lanes > 0 && *lanes <= 32 ? lanes : std::nullopt;
}

/// Only the width counts: an idle GPU lowers the speed of its link by itself.
void links(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "pcie-link", "the PCI links have all their lanes");
  std::size_t asked = 0;
  std::string narrow;
  for (const host::Gpu& gpu : scene.profile.gpus) {
    if (!gpu.pci_address.value || !gpu.link_width.value || !gpu.link_width_max.value) continue;
    ++asked;
    const auto above = lanes_above(scene.machine.sys, *gpu.pci_address.value);
    const std::uint64_t most =
        std::min(*gpu.link_width_max.value, above.value_or(*gpu.link_width_max.value));
    step.saw(fmt::format("{}: x{} of x{}{}", gpu.link_width.evidence, *gpu.link_width.value,
                         *gpu.link_width_max.value,
                         above ? fmt::format(", the port above has x{}", *above) : ""));
    if (*gpu.link_width.value < most && narrow.empty())
      narrow = fmt::format("{} has a link of x{} instead of x{}", gpu_name(gpu),
                           *gpu.link_width.value, most);
  }
  if (asked == 0) return step.skip("no link to look at");
  if (narrow.empty()) return step.ok(counted(asked, "link", "links"));
  step.warn(
      narrow + ": copies to and from it are slower",
      "reseat the card or its riser, clean the contacts, look for PCIe errors in the kernel log "
      "(AER); some boards share lanes between slots");
}

void peer_memory(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "rdma-peermem", "network cards can reach GPU memory");
  const host::Tree& sys = scene.machine.sys;
  for (const char* name : {"nvidia_peermem", "nv_peer_mem"}) {
    const bool there = sys.exists(fmt::format("module/{}", name));
    step.saw(fmt::format("{}: {}", sys.label(fmt::format("module/{}", name)),
                         there ? "there" : "missing"));
    if (there) return step.ok(fmt::format("{} is loaded", name));
  }
  const host::Nvidia& nvidia = scene.profile.nvidia;
  const std::string kernel = scene.profile.system.kernel.value.value_or("0");
  if (nvidia.module_kind.value == "open" && version_at_least(kernel, "5.12"))
    return step.ok("the open module and this kernel share memory through dma-buf");
  step.warn(
      "nvidia_peermem is not loaded: RDMA goes through the host's memory",
      scene.in_container()
          ? "on the host load nvidia-peermem, or use the open kernel module with dma-buf"
          : scene.tools.command("modprobe nvidia-peermem") +
                " (at every boot: a file of /etc/modules-load.d), or use the open kernel module "
                "with dma-buf",
      "NVIDIA GPUDirect RDMA documentation");
}

void memory_lock(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "rdma-memlock", "programs may lock memory for RDMA");
  const Result<std::string> text = scene.machine.proc.read("self/limits");
  const std::string label = scene.machine.proc.label("self/limits");
  constexpr std::string_view kKey = "Max locked memory";
  const std::size_t at = text ? text->find(kKey) : std::string::npos;
  if (at == std::string::npos)
    return step.unknown(label + " does not tell the limit", "ulimit -l", false);
  const std::string line =
      host::clean(std::string_view(*text).substr(at, text->find('\n', at) - at));
  step.saw(label + ": " + line);
  const std::string value = host::clean(std::string_view(line).substr(kKey.size()));
  const std::string soft = value.substr(0, value.find(' '));
  if (soft == "unlimited") return step.ok("unlimited");
  const auto bytes = parse_number(soft);
  if (!bytes) return step.unknown(label + " says '" + soft + "'", "ulimit -l", false);
  step.warn(
      fmt::format("memory that may be locked is limited to {}: RDMA registration fails beyond",
                  human_bytes(*bytes)),
      scene.in_container() ? "start the container with --ulimit memlock=-1"
                           : "set memlock to unlimited in /etc/security/limits.d; for services "
                             "LimitMEMLOCK=infinity",
      "NCCL troubleshooting guide");
}

void verbs(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "rdma-nodes", "the nodes of the network cards are there");
  std::size_t count = 0;
  for (const std::string& name : scene.machine.dev.list("infiniband"))
    count += name.starts_with("uverbs") ? 1U : 0U;
  step.saw(fmt::format("{}: {}", scene.machine.dev.label("infiniband/uverbs*"), count));
  step.saw(counted(scene.profile.networks.size(), "card", "cards") + " in /sys/class/infiniband");
  if (count > 0) return step.ok(counted(count, "node", "nodes"));
  step.warn(
      "there are InfiniBand or RoCE cards, but no /dev/infiniband/uverbs*: NCCL falls back to TCP",
      scene.in_container() ? "start the container with --device /dev/infiniband"
                           : scene.tools.command("modprobe ib_uverbs"));
}

}  // namespace

void steps_services(const Scene& scene, std::vector<Step>& steps) {
  const bool card = scene.nvidia && !scene.wsl && !scene.tegra;
  if (card) {
    persistence(scene, steps);
    mps(scene, steps);
  }
  links(scene, steps);
  if (scene.profile.networks.empty() || scene.profile.gpus.empty()) return;
  if (card) peer_memory(scene, steps);
  verbs(scene, steps);
  memory_lock(scene, steps);
}

}  // namespace flense::doctor
