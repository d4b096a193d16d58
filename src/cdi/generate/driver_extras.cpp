#include "cdi/generate/driver_extras.h"

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "base/format.h"
#include "cdi/generate/driver_files.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

constexpr std::array<std::string_view, 8> kProgramFolders = {
    "usr/bin", "usr/sbin", "usr/local/bin",        "usr/local/sbin",
    "bin",     "sbin",     "usr/local/nvidia/bin", "opt/bin"};

/// The first that is a file, mounted at `container`; false when there is none.
bool mount_first(const DriverRoot& root, const std::vector<std::string>& candidates,
                 std::string container, Edits& edits) {
  for (const std::string& path : candidates) {
    const auto node = root.tree.node(path);
    if (!node || node->kind != host::DeviceNode::Kind::kFile) continue;
    if (const auto host = root.on_host(path)) {
      edits.mounts.push_back(read_only_mount(*host, std::move(container)));
      return true;
    }
  }
  return false;
}

/// Directories in which the kernel looks for firmware (firmware_class), as the driver's root has
/// them.
std::vector<std::string> firmware_folders(const Discovery& discovery) {
  std::vector<std::string> out;
  const auto own = discovery.machine.sys.read("module/firmware_class/parameters/path");
  if (own && host::clean(*own).starts_with('/')) out.push_back(host::clean(*own).substr(1));
  const auto kernel = discovery.machine.proc.read("sys/kernel/osrelease");
  const std::string release = kernel ? host::clean(*kernel) : std::string();
  if (is_plain_name(release)) out.push_back("lib/firmware/updates/" + release);
  out.emplace_back("lib/firmware/updates");
  if (is_plain_name(release)) out.push_back("lib/firmware/" + release);
  out.emplace_back("lib/firmware");
  return out;
}

}  // namespace

void add_configuration(const Discovery& discovery, const DriverRoot& root, Edits& edits) {
  constexpr std::array<std::string_view, 4> kPlaces = {"etc", "usr/local/share", "usr/share", ""};
  for (const FileRow& row : configuration_rows()) {
    if (!discovery.wants_any(row.capabilities)) continue;
    std::vector<std::string> candidates;
    for (const std::string_view place : kPlaces)
      candidates.push_back(place.empty() ? std::string(row.path)
                                         : fmt::format("{}/{}", place, row.path));
    mount_first(root, candidates, fmt::format("{}/{}", row.container, row.path), edits);
  }
}

void add_programs(const Discovery& discovery, const DriverRoot& root, Edits& edits) {
  // A script starts a program that lies elsewhere, which the container has not.
  const auto is_script = [&root](const std::string& path) {
    const auto file = root.tree.map(path);
    return file && as_text(file->bytes()).starts_with("#!");
  };
  for (const FileRow& row : program_rows()) {
    if (!discovery.wants_any(row.capabilities)) continue;
    std::vector<std::string> candidates;
    for (const std::string_view folder : kProgramFolders)
      candidates.push_back(fmt::format("{}/{}", folder, row.path));
    std::ranges::stable_partition(candidates, std::not_fn(is_script));
    mount_first(root, candidates, fmt::format("{}/{}", row.container, row.path), edits);
  }
}

void add_firmware(const Discovery& discovery, const DriverRoot& root, std::string_view version,
                  Edits& edits) {
  for (const std::string& base : firmware_folders(discovery)) {
    const std::string folder = fmt::format("{}/nvidia/{}", base, version);
    bool found = false;
    for (const std::string& name : root.tree.list(folder))
      if (name.starts_with("gsp") && name.ends_with(".bin") && is_plain_name(name))
        found |= mount_first(root, {fmt::format("{}/{}", folder, name)},
                             fmt::format("/lib/firmware/nvidia/{}/{}", version, name), edits);
    if (found) return;
  }
}

void add_x_modules(const Discovery& discovery, const DriverRoot& root, std::string_view version,
                   Edits& edits) {
  if (!discovery.wants(Capability::kDisplay)) return;
  std::vector<std::string> bases;
  for (const std::string_view libraries :
       {"usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"})
    for (const std::string_view modules :
         {"nvidia/xorg", "xorg/modules/updates", "xorg/modules", "nvidia/current/xorg"})
      bases.push_back(fmt::format("{}/{}", libraries, modules));
  bases.emplace_back("usr/X11R6/lib/modules");
  bases.emplace_back("usr/X11R6/lib64/modules");
  const std::string server = fmt::format("libglxserver_nvidia.so.{}", version);
  const auto places = [&](std::string_view folder, std::string_view name) {
    std::vector<std::string> out;
    for (const std::string& base : bases) {
      out.push_back(fmt::format("{}/{}/{}", base, folder, name));
      out.push_back(fmt::format("{}/{}", base, name));
    }
    return out;
  };
  for (const std::string_view modules : {"/usr/lib/xorg/modules", "/usr/lib64/xorg/modules"}) {
    mount_first(root, places("drivers", "nvidia_drv.so"),
                fmt::format("{}/drivers/nvidia_drv.so", modules), edits);
    for (const std::string& name : {server, std::string("libglxserver_nvidia.so")})
      mount_first(root, places("extensions", server),
                  fmt::format("{}/extensions/{}", modules, name), edits);
  }
}

}  // namespace flense::cdi
