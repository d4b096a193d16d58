#include "cdi/generate/amd.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "cdi/generate/device_folder.h"
#include "cdi/generate/device_list.h"
#include "cdi/generate/drm.h"
#include "host/probe_support.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

constexpr std::string_view kVendor = "1002";
constexpr std::string_view kNodes = "class/kfd/kfd/topology/nodes";
constexpr int kByUuid = 1, kByAddress = 2;
constexpr const char* kLoad = "modprobe amdgpu; flense doctor says why a GPU is missing";

/// A GPU, or one partition of it, as ROCm counts them.
struct KfdNode {
  std::uint64_t order = 0, unique_id = 0, render_minor = 0;
  std::string address, label;
};

std::vector<KfdNode> kfd_nodes(const host::Tree& sys) {
  std::vector<KfdNode> out;
  for (const std::string& name : sys.list(kNodes)) {
    const auto order = parse_number(name);
    const std::string path = fmt::format("{}/{}/properties", kNodes, name);
    const Result<std::string> text = sys.read(path);
    if (!order || !text) continue;
    const host::Pairs pairs = host::blank_pairs(*text);
    const auto number = [&](std::string_view key) {
      return parse_number(host::value_of(pairs, key)).value_or(0);
    };
    if (number("gfx_target_version") == 0) continue;  // a processor
    out.push_back({*order, number("unique_id"), number("drm_render_minor"),
                   host::pci_address_of_location(number("domain"), number("location_id")),
                   sys.label(path)});
  }
  std::ranges::sort(out, {}, &KfdNode::order);
  return out;
}

/// A device of the kernel with nodes in /dev/dri, and how by-path names begin.
struct DrmDevice {
  DrmNodes nodes;
  std::string bus;
};

std::vector<std::string> amd_functions(const host::Tree& sys) {
  return host::pci_functions(sys, [](const host::PciFacts& facts) {
    return facts.vendor == kVendor &&
           (facts.device_class.starts_with("03") || facts.device_class.starts_with("12"));
  });
}

/// By render node: cards, and the partitions that the kernel makes platform devices of.
std::map<std::string, DrmDevice> drm_devices(const host::Tree& sys) {
  std::map<std::string, DrmDevice> out;
  const auto add = [&](std::string_view device, std::string bus) {
    DrmNodes nodes = drm_nodes(sys, device);
    std::string render = nodes.render;
    if (!render.empty()) out.try_emplace(std::move(render), std::move(nodes), std::move(bus));
  };
  for (const std::string& address : amd_functions(sys))
    add("bus/pci/devices/" + address, "pci-" + address);
  for (const std::string& name : sys.list("devices/platform"))
    if (name.starts_with("amdgpu_xcp") && is_plain_name(name))
      add("devices/platform/" + name, "platform-" + name);
  return out;
}

struct Names {
  std::map<std::string, Edits> by_uuid, by_address;
  std::vector<std::string> uuids, addresses;  ///< in order

  static void add(std::map<std::string, Edits>& all, std::vector<std::string>& order,
                  const std::string& name, const Edits& edits) {
    if (!all.contains(name)) order.push_back(name);
    merge(edits, all[name]);
  }
};

Result<void> add_kfd_node(Discovery& discovery, const KfdNode& node,
                          const std::map<std::string, DrmDevice>& drm, DeviceFolder& folder,
                          std::uint64_t index, DeviceList& devices, Names& names) {
  if (node.render_minor == 0) {
    discovery.note(fmt::format("{} lists no render node: this GPU is left out", node.label));
    return {};
  }
  const std::string render = fmt::format("renderD{}", node.render_minor);
  const auto known = drm.find(render);
  const DrmDevice device = known == drm.end() ? DrmDevice{DrmNodes{"", render}, ""} : known->second;
  Edits edits;
  if (!folder.has("dri/" + render)) {
    TRY_DO(discovery.missing(
        fmt::format("there is no device node {}", folder.path("dri/" + render)), kLoad));
    return {};
  }
  add_drm(device.nodes, device.bus, folder, edits);
  devices.add(fmt::format("{}", index), edits);
  if (node.unique_id != 0)
    Names::add(names.by_uuid, names.uuids, fmt::format("GPU-{:016x}", node.unique_id), edits);
  Names::add(names.by_address, names.addresses, node.address, edits);
  return {};
}

/// Cards that ROCm does not see have their nodes all the same: for display and video.
void add_others(Discovery& discovery, const std::map<std::string, DrmDevice>& drm,
                DeviceFolder& folder, std::uint64_t& index, DeviceList& devices, Names& names) {
  for (const std::string& address : amd_functions(discovery.machine.sys)) {
    if (names.by_address.contains(address)) continue;
    const auto at = std::ranges::find_if(
        drm, [&](const auto& one) { return one.second.bus == "pci-" + address; });
    Edits edits;
    if (at == drm.end() || !add_drm(at->second.nodes, at->second.bus, folder, edits)) {
      discovery.note(
          fmt::format("the GPU at {} is left out: it has no nodes in /dev/dri", address));
      continue;
    }
    discovery.note(
        fmt::format("the GPU {} at {} has no KFD node: ROCm cannot use it", index, address));
    devices.add(fmt::format("{}", index++), edits);
    Names::add(names.by_address, names.addresses, address, edits);
  }
}

}  // namespace

Result<void> generate_amd(Discovery& discovery, Spec& spec) {
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, "", "kfd"));
  const host::Tree& sys = discovery.machine.sys;
  const std::vector<KfdNode> nodes = kfd_nodes(sys);
  const std::map<std::string, DrmDevice> drm = drm_devices(sys);
  DeviceList devices(discovery);
  Names names;
  std::uint64_t index = 0;
  for (const KfdNode& node : nodes)
    TRY_DO(add_kfd_node(discovery, node, drm, folder, index++, devices, names));
  add_others(discovery, drm, folder, index, devices, names);
  for (const std::string& uuid : names.uuids) devices.add_alias(kByUuid, uuid, names.by_uuid[uuid]);
  for (const std::string& address : names.addresses)
    devices.add_alias(kByAddress, address, names.by_address[address]);
  if (devices.empty())
    return fail(Code::kEnvironment, "there is no AMD GPU for a container").hint(kLoad);
  if (!nodes.empty() && !folder.add("kfd", spec.edits))
    TRY_DO(discovery.missing(fmt::format("there is no device node {}", folder.path("kfd")), kLoad));
  spec.devices = std::move(devices).finish();
  note_groups(discovery, folder);
  if (discovery.options.all_hooks || discovery.options.compat_hook)
    discovery.note("hooks are for NVIDIA only: containers with AMD GPUs need none");
  if (!nodes.empty())
    discovery.note(
        "/dev/kfd gives access to all GPUs: render nodes and device rules confine a container to "
        "its own, and rootless engines have no device rules");
  return {};
}

}  // namespace flense::cdi
