#include "cdi/generate/with_fabric.h"

#include "base/format.h"
#include "base/numbers.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

constexpr std::string_view kChannels = "nvidia-caps-imex-channels";
constexpr std::uint64_t kMostChannels = 1u << 20;

Result<void> need_some(Discovery& discovery, bool found, std::string_view what,
                       std::string_view hint) {
  if (found) return {};
  return discovery.missing(fmt::format("there is no {}", what), std::string(hint));
}

bool add_all(DeviceFolder& folder, std::string_view below, std::string_view prefix, Edits& edits) {
  bool found = false;
  for (const std::string& name : folder.list(below, prefix)) found |= folder.add(name, edits);
  return found;
}

Result<void> add_rdma(Discovery& discovery, DeviceFolder& folder, Edits& edits) {
  const bool found = add_all(folder, "infiniband", "uverbs", edits);
  folder.add("infiniband/rdma_cm", edits);
  if (found && !discovery.machine.sys.exists("module/nvidia_peermem"))
    discovery.note(
        "the module nvidia_peermem is not loaded: cards reach GPU memory through dma-buf, or not");
  return need_some(discovery, found, folder.path("infiniband/uverbs*"),
                   "the modules ib_uverbs and rdma_ucm create the nodes of RDMA cards");
}

/// The driver's file or directory at the same place in the container; false where there is none.
bool add_beside(const DriverRoot& root, std::string_view path, host::DeviceNode::Kind kind,
                Edits& edits) {
  const auto node = root.tree.node(path);
  if (!node || node->kind != kind) return false;
  const auto real = root.on_host(path);
  if (!real) return false;
  edits.mounts.push_back(read_only_mount(*real, fmt::format("/{}", path)));
  return true;
}

Result<void> add_storage(Discovery& discovery, DeviceFolder& folder, Edits& edits) {
  const bool found = add_all(folder, "", "nvidia-fs", edits);
  TRY_DO(need_some(discovery, found, folder.path("nvidia-fs*"),
                   "the module nvidia-fs creates the nodes of GPUDirect Storage"));
  if (!found) return {};
  TRY(const DriverRoot root, find_driver_root(discovery));
  using Kind = host::DeviceNode::Kind;
  // The configuration is the driver's. The database of block devices belongs to the running udev,
  // which a driver's own root may or may not show.
  if (!add_beside(root, "etc/cufile.json", Kind::kFile, edits))
    discovery.note(fmt::format("there is no {}: cuFile uses its defaults",
                               root.tree.label("etc/cufile.json")));
  if (!add_beside(root, "run/udev", Kind::kDirectory, edits) &&
      !add_beside({discovery.machine.root, ""}, "run/udev", Kind::kDirectory, edits))
    discovery.note(fmt::format("there is no {}: cuFile cannot tell which disks are NVMe",
                               root.tree.label("run/udev")));
  return {};
}

Result<void> add_switches(Discovery& discovery, DeviceFolder& folder, Edits& edits) {
  const bool found = add_all(folder, "", "nvidia-nvswitch", edits);
  return need_some(discovery, found, folder.path("nvidia-nvswitch*"),
                   "the driver creates them on machines with NVSwitch");
}

Result<void> add_channel(Discovery& discovery, std::string_view number, DeviceFolder& folder,
                         Edits& edits) {
  const auto channel = parse_number(number);
  if (!channel || *channel >= kMostChannels)
    return fail(Code::kUsage, "'imex:{}' is not an IMEX channel (0 to {})", number,
                kMostChannels - 1);
  const std::string name = fmt::format("{}/channel{}", kChannels, *channel);
  return need_some(discovery, folder.add(name, edits), folder.path(name),
                   "nvidia-modprobe creates channels; the module's option "
                   "NVreg_CreateImexChannel0=1 creates channel 0");
}

}  // namespace

Result<void> add_fabric(Discovery& discovery, const std::string& what, DeviceFolder& folder,
                        Edits& edits) {
  if (what == "rdma") return add_rdma(discovery, folder, edits);
  if (what == "gds") return add_storage(discovery, folder, edits);
  if (what == "nvswitch") return add_switches(discovery, folder, edits);
  if (what == "gdrcopy")
    return need_some(discovery, folder.add("gdrdrv", edits), folder.path("gdrdrv"),
                     "the module gdrdrv creates the node of GDRCopy");
  if (what == "imex") return add_channel(discovery, "0", folder, edits);
  if (what.starts_with("imex:"))
    return add_channel(discovery, std::string_view(what).substr(5), folder, edits);
  return fail(Code::kUsage, "'{}' is not a value of --with", host::clean(what))
      .hint("rdma, gdrcopy, gds, nvswitch, imex or imex:CHANNEL");
}

Result<void> add_fabric_devices(Discovery& discovery, DeviceFolder& folder, DeviceList& devices) {
  if (discovery.options.mode == Mode::kImex) {
    const std::string prefix = "channel";
    for (const std::string& path : folder.list(kChannels, prefix)) {
      Edits edits;
      if (folder.add(path, edits))
        devices.add(path.substr(kChannels.size() + 1 + prefix.size()), edits);
    }
    return need_some(discovery, !devices.empty(),
                     folder.path(fmt::format("{}/channel*", kChannels)),
                     "nvidia-modprobe creates IMEX channels");
  }
  Edits edits;
  TRY_DO(add_fabric(discovery, std::string(mode_word(discovery.options.mode)), folder, edits));
  devices.set_all(edits);
  return {};
}

}  // namespace flense::cdi
