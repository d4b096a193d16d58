#include "cdi/generate/wsl.h"

#include "base/format.h"
#include "cdi/generate/device_folder.h"
#include "cdi/generate/device_list.h"
#include "cdi/generate/hooks.h"
#include "cdi/generate/libraries.h"

namespace flense::cdi {

namespace {

constexpr std::string_view kWslLibraries = "usr/lib/wsl/lib";
constexpr std::string_view kStores = "usr/lib/wsl/drivers";

bool for_drawing(std::string_view stem) {
  return stem.starts_with("libd3d12");
}

bool for_video(std::string_view stem) {
  return stem == "libnvcuvid" || stem == "libnvidia-encode" || stem == "libnvidia-opticalflow";
}

bool wanted(const Discovery& discovery, std::string_view stem) {
  if (stem == "libnvidia-ml")
    return discovery.wants_any({Capability::kUtility, Capability::kCompute});
  if (for_drawing(stem)) return discovery.wants_any({Capability::kGraphics, Capability::kDisplay});
  if (for_video(stem)) return discovery.wants(Capability::kVideo);
  if (stem.starts_with("libnvidia-ngx")) return discovery.wants(Capability::kNgx);
  return stem == "libdxcore" || discovery.wants(Capability::kCompute);
}

/// What programs link or load: found in the default directories, since dxcore does without a cache.
Result<void> add_loaded(Discovery& discovery, const DriverRoot& root, Edits& edits,
                        std::vector<std::string>& folders) {
  std::set<std::string> stems;
  for (const std::string& name : root.tree.list(kWslLibraries)) {
    const std::size_t mark = name.find(".so");
    if (!name.starts_with("lib") || mark == std::string::npos || !is_plain_name(name) ||
        !wanted(discovery, std::string_view(name).substr(0, mark)))
      continue;
    const auto library = read_library(discovery, root, fmt::format("{}/{}", kWslLibraries, name));
    if (!library) continue;
    mount_library(*library, discovery.options, edits);
    folders = container_folders(library->abi, discovery.options);
    stems.insert(library->stem);
  }
  std::vector<std::string_view> needed = {"libdxcore"};
  if (discovery.wants(Capability::kCompute)) needed.emplace_back("libcuda");
  for (const std::string_view stem : needed)
    if (!stems.contains(std::string(stem)))
      TRY_DO(discovery.missing(
          fmt::format("there is no {}.so in {}", stem, root.tree.label(kWslLibraries)),
          "wsl --update, and NVIDIA's driver for Windows, bring it"));
  if (const auto program = root.on_host(fmt::format("{}/nvidia-smi", kWslLibraries));
      program && discovery.wants(Capability::kUtility))
    edits.mounts.push_back(read_only_mount(*program, "/usr/bin/nvidia-smi"));
  return {};
}

/// The driver store: dxcore names its directories by their own paths, and there may be several.
Result<void> add_stores(Discovery& discovery, const DriverRoot& root, Edits& edits) {
  bool found = false;
  for (const std::string& name : root.tree.list(kStores)) {
    const std::string folder = fmt::format("{}/{}", kStores, name);
    if (!is_plain_name(name) || !root.tree.exists(folder + "/libcuda.so.1.1")) continue;
    if (const auto real = root.on_host(folder)) {
      edits.mounts.push_back(read_only_mount(*real, "/" + folder));
      found = true;
    }
  }
  if (found || !discovery.wants(Capability::kCompute)) return {};
  return discovery.missing(
      fmt::format("no driver in {} has libcuda.so.1.1", root.tree.label(kStores)),
      "NVIDIA's driver for Windows brings it; wsl --shutdown shows a new driver");
}

}  // namespace

Result<void> generate_wsl(Discovery& discovery, Spec& spec) {
  TRY(const DriverRoot root, find_driver_root(discovery));
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, root.prefix, "dxg"));
  Edits device;
  if (!folder.add("dxg", device))
    return fail(Code::kEnvironment, "there is no device node {}", folder.path("dxg"))
        .hint("WSL2 shows GPUs with a driver for Windows that supports it; wsl --update");
  DeviceList devices(discovery);
  devices.set_all(device);
  spec.devices = std::move(devices).finish();
  spec.edits.env = {"NVIDIA_VISIBLE_DEVICES=void"};
  std::vector<std::string> folders;
  TRY_DO(add_loaded(discovery, root, spec.edits, folders));
  TRY_DO(add_stores(discovery, root, spec.edits));
  TRY_DO(add_hooks(discovery, "", spec.edits));
  note_hooks(discovery, folders);
  note_groups(discovery, folder);
  return {};
}

}  // namespace flense::cdi
