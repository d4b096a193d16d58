#include "cdi/generate/amd.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/path.h"
#include "cdi/generate/device_folder.h"
#include "cdi/generate/device_list.h"
#include "cdi/generate/drm.h"
#include "host/probe_support.h"

namespace flense::cdi {

namespace {

constexpr int kByUuid = 1, kByAddress = 2;
constexpr const char* kLoad = "modprobe amdgpu; flense doctor says why a GPU is missing";

/// A device of the kernel with nodes in /dev/dri, and how by-path names begin.
struct DrmDevice {
  DrmNodes nodes;
  std::string bus;
};

/// By render node: cards, and the partitions that the kernel makes platform devices of.
std::map<std::string, DrmDevice> drm_devices(const host::Tree& sys,
                                             const std::vector<std::string>& cards) {
  std::map<std::string, DrmDevice> out;
  const auto add = [&](std::string_view device, std::string bus) {
    DrmNodes nodes = drm_nodes(sys, device);
    std::string render = nodes.render;
    if (!render.empty()) out.try_emplace(std::move(render), std::move(nodes), std::move(bus));
  };
  for (const std::string& address : cards) add("bus/pci/devices/" + address, "pci-" + address);
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

Result<void> add_kfd_node(Discovery& discovery, const host::AmdNode& node,
                          const std::map<std::string, DrmDevice>& drm, DeviceFolder& folder,
                          std::uint64_t& index, DeviceList& devices, Names& names) {
  if (node.render_minor == 0) {
    discovery.note(fmt::format("{} lists no render node: this GPU is left out",
                               discovery.machine.sys.label(node.path)));
    return {};
  }
  const std::string render = fmt::format("renderD{}", node.render_minor);
  const auto known = drm.find(render);
  const DrmDevice device = known == drm.end() ? DrmDevice{DrmNodes{"", render}, ""} : known->second;
  Edits edits;
  if (!folder.has("dri/" + render)) {
    TRY_DO(discovery.missing(
        fmt::format("there is no device node {}", folder.path("dri/" + render)), kLoad));
    ++index;
    return {};
  }
  add_drm(device.nodes, device.bus, folder, edits);
  devices.add(fmt::format("{}", index++), edits);
  if (node.unique_id != 0)
    Names::add(names.by_uuid, names.uuids, fmt::format("GPU-{:016x}", node.unique_id), edits);
  Names::add(names.by_address, names.addresses, node.address, edits);
  return {};
}

/// Cards that ROCm does not see have their nodes all the same: for display and video.
void add_others(Discovery& discovery, const std::vector<std::string>& cards,
                const std::map<std::string, DrmDevice>& drm, DeviceFolder& folder,
                std::uint64_t& index, DeviceList& devices, Names& names) {
  for (const std::string& address : cards) {
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
  const std::vector<host::AmdNode> nodes = host::amd_nodes(sys);
  const std::vector<std::string> cards = host::amd_cards(sys, nodes);
  const std::map<std::string, DrmDevice> drm = drm_devices(sys, cards);
  DeviceList devices(discovery);
  Names names;
  std::uint64_t index = 0;
  for (const host::AmdNode& node : nodes)
    TRY_DO(add_kfd_node(discovery, node, drm, folder, index, devices, names));
  add_others(discovery, cards, drm, folder, index, devices, names);
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
