// AMD's driver and GPUs: PCI functions in sysfs, joined with the nodes of the KFD topology.
#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "host/probe.h"
#include "host/probe_support.h"

namespace flense::host {

namespace {

constexpr std::string_view kVendor = "1002";
constexpr std::string_view kNodes = "class/kfd/kfd/topology/nodes";

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

void apply_nodes(const Tree& sys, const std::vector<AmdNode>& nodes, Gpu& gpu) {
  if (nodes.empty()) {
    const std::string reason = "no KFD node has this PCI address";
    gpu.architecture = gpu.uuid = Text::unknown(reason);
    gpu.memory_bytes = gpu.minor = gpu.partitions = Number::unknown(reason);
    return;
  }
  const AmdNode& first = nodes.front();
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
  for (const AmdNode& node : nodes)
    memory =
        checked_add(memory, bank_bytes(sys, std::string(parent_path(node.path)))).value_or(memory);
  gpu.memory_bytes = memory > 0 ? Number::known(memory, label + ", mem_banks")
                                : Number::unknown("no memory bank in the KFD topology");
}

}  // namespace

std::vector<AmdNode> amd_nodes(const Tree& sys) {
  std::vector<AmdNode> out;
  for (const std::string& name : sys.list(kNodes)) {
    std::string path = fmt::format("{}/{}/properties", kNodes, name);
    const Result<std::string> text = sys.read(path);
    if (!parse_number(name) || !text) continue;
    const Pairs pairs = blank_pairs(*text);
    const auto number = [&](std::string_view key) {
      return parse_number(value_of(pairs, key)).value_or(0);
    };
    const std::uint64_t gfx = number("gfx_target_version");
    if (gfx == 0) continue;  // a processor
    out.push_back({std::move(path),
                   pci_address_of_location(number("domain"), number("location_id")), gfx,
                   number("unique_id"), number("drm_render_minor")});
  }
  std::ranges::stable_sort(
      out, {}, [](const AmdNode& node) { return std::tie(node.address, node.render_minor); });
  return out;
}

std::vector<std::string> amd_cards(const Tree& sys, const std::vector<AmdNode>& nodes) {
  // Display controllers, and accelerators without a display (class 12).
  std::vector<std::string> out = pci_functions(sys, [](const PciFacts& facts) {
    return facts.vendor == kVendor &&
           (facts.device_class.starts_with("03") || facts.device_class.starts_with("12"));
  });
  std::ranges::stable_partition(out, [&](const std::string& address) {
    return std::ranges::find(nodes, address, &AmdNode::address) != nodes.end();
  });
  return out;
}

Amd probe_amd(const Machine& machine, const System& system) {
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
  out.module = module_fact(machine, "amdgpu");
  const std::string kfd = machine.dev.label("kfd");
  // A container has the nodes that it was given.
  if (machine.dev.exists("kfd"))
    out.kfd = Flag::known(true, kfd);
  else if (system.in_container.value != false || machine.dev.list("").empty())
    out.kfd = Flag::unknown("no " + kfd + " is seen here");
  else
    out.kfd = Flag::known(false, "no " + kfd);
  return out;
}

std::vector<Gpu> probe_amd_gpus(const Machine& machine) {
  const Tree& sys = machine.sys;
  const std::vector<AmdNode> nodes = amd_nodes(sys);
  std::vector<Gpu> out;
  for (const std::string& address : amd_cards(sys, nodes)) {
    Gpu gpu = pci_gpu(sys, address, "amd");
    std::vector<AmdNode> own;
    std::ranges::copy_if(nodes, std::back_inserter(own),
                         [&](const AmdNode& node) { return node.address == address; });
    apply_nodes(sys, own, gpu);
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
