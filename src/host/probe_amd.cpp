// AMD's driver and GPUs: PCI functions in sysfs, joined with the nodes of the KFD topology.
#include <map>

#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "host/probe.h"
#include "host/probe_support.h"

namespace flense::host {

namespace {

constexpr std::string_view kVendor = "1002";
constexpr std::string_view kNodes = "class/kfd/kfd/topology/nodes";

struct Node {
  std::string path;  ///< of its properties
  std::uint64_t order = 0, gfx = 0, unique_id = 0, render_minor = 0, memory = 0;
};

/// Video memory of a node: banks of heap type 1 (visible) and 2 (not visible to the processor).
std::uint64_t bank_bytes(const Tree& sys, const std::string& node) {
  std::uint64_t total = 0;
  for (const std::string& bank : sys.list(node + "/mem_banks")) {
    const Result<std::string> text = sys.read(node + "/mem_banks/" + bank + "/properties");
    if (!text) continue;
    const Pairs pairs = blank_pairs(*text);
    const auto heap = parse_number(value_of(pairs, "heap_type"));
    if (heap == 1u || heap == 2u)
      total = checked_add(total, parse_number(value_of(pairs, "size_in_bytes")).value_or(0))
                  .value_or(total);
  }
  return total;
}

/// GPU nodes by PCI address, each list in the order in which ROCm numbers devices.
std::map<std::string, std::vector<Node>> read_nodes(const Tree& sys) {
  std::map<std::string, std::vector<Node>> out;
  std::map<std::uint64_t, std::string> ordered;  // "10" sorts after "9"
  for (const std::string& name : sys.list(kNodes))
    if (const auto number = parse_number(name)) ordered.emplace(*number, name);
  for (const auto& [order, name] : ordered) {
    const std::string folder = fmt::format("{}/{}", kNodes, name);
    const std::string path = folder + "/properties";
    const Result<std::string> text = sys.read(path);
    if (!text) continue;
    const Pairs pairs = blank_pairs(*text);
    const auto number = [&](std::string_view key) {
      return parse_number(value_of(pairs, key)).value_or(0);
    };
    const std::uint64_t gfx = number("gfx_target_version");
    if (gfx == 0) continue;  // a processor
    Node node{path, order, gfx, number("unique_id"), number("drm_render_minor"), 0};
    node.memory = bank_bytes(sys, folder);
    out[pci_address_of_location(number("domain"), number("location_id"))].push_back(node);
  }
  return out;
}

void apply_nodes(const Tree& sys, const std::vector<Node>& nodes, Gpu& gpu) {
  if (nodes.empty()) {
    const std::string reason = "no KFD node has this PCI address";
    gpu.architecture = gpu.uuid = Text::unknown(reason);
    gpu.memory_bytes = gpu.minor = gpu.partitions = Number::unknown(reason);
    return;
  }
  const Node& first = nodes.front();
  const std::string label = sys.label(first.path);
  const auto gfx = gfx_name(first.gfx);
  gpu.architecture =
      gfx ? Text::known(*gfx, fmt::format("{}, gfx_target_version {}", label, first.gfx))
          : Text::unknown(fmt::format("{} has gfx_target_version {}", label, first.gfx));
  gpu.uuid = first.unique_id != 0
                 ? Text::known(fmt::format("GPU-{:016x}", first.unique_id), label + ", unique_id")
                 : Text::unknown(label + " has no unique_id");
  gpu.minor = first.render_minor != 0 ? Number::known(first.render_minor, label)
                                      : Number::unknown(label + " has no render node");
  gpu.partitions = Number::known(nodes.size(), sys.label(kNodes));
  std::uint64_t memory = 0;
  for (const Node& node : nodes) memory = checked_add(memory, node.memory).value_or(memory);
  gpu.memory_bytes = memory > 0 ? Number::known(memory, label + ", mem_banks")
                                : Number::unknown("no memory bank in the KFD topology");
}

}  // namespace

Amd probe_amd(const Machine& machine) {
  Amd out;
  out.driver_version = text_fact(machine.sys, "module/amdgpu/version");
  if (!out.driver_version.value)
    out.driver_version.evidence = machine.sys.exists("module/amdgpu")
                                      ? "the kernel's own amdgpu has no version"
                                      : "amdgpu is not loaded";
  for (const std::string_view path : {"opt/rocm/.info/version", "opt/rocm/core/.info/version"}) {
    out.rocm_version = text_fact(machine.root, path);
    if (out.rocm_version.value) break;
  }
  if (!out.rocm_version.value) out.rocm_version.evidence = "no /opt/rocm/.info/version";
  return out;
}

std::vector<Gpu> probe_amd_gpus(const Machine& machine) {
  const Tree& sys = machine.sys;
  const auto nodes = read_nodes(sys);
  // Display controllers, and accelerators without a display (class 12).
  const std::vector<std::string> functions = pci_functions(sys, [](const PciFacts& facts) {
    return facts.vendor == kVendor &&
           (facts.device_class.starts_with("03") || facts.device_class.starts_with("12"));
  });
  std::vector<Gpu> out;
  for (const std::string& address : functions) {
    Gpu gpu = pci_gpu(sys, address, "amd");
    const auto at = nodes.find(address);
    apply_nodes(sys, at == nodes.end() ? std::vector<Node>() : at->second, gpu);
    const std::string folder = "bus/pci/devices/" + address;
    gpu.name = text_fact(sys, folder + "/product_name");
    // sysfs knows the whole card, even if partitions share it.
    if (Number memory = number_fact(sys, folder + "/mem_info_vram_total"); memory.value)
      gpu.memory_bytes = std::move(memory);
    gpu.partition = text_fact(sys, folder + "/current_compute_partition");
    out.push_back(std::move(gpu));
  }
  return out;
}

}  // namespace flense::host
