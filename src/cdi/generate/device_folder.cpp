#include "cdi/generate/device_folder.h"

#include <algorithm>

#include "base/format.h"
#include "base/numbers.h"

namespace flense::cdi {

namespace {

constexpr std::uint32_t kEverybodyReadsAndWrites = 06;
constexpr std::uint32_t kPermissionBits = 0777;
constexpr std::size_t kMostDevices = 1u << 16;

bool is_device(const std::optional<host::DeviceNode>& node) {
  return node && node->kind == host::DeviceNode::Kind::kDevice;
}

}  // namespace

Result<DeviceFolder> DeviceFolder::find(Discovery& discovery, const std::string& driver_prefix,
                                        std::string_view known) {
  const host::Machine& machine = discovery.machine;
  const GenerateOptions& options = discovery.options;
  const auto below = [&](const std::string& root) -> std::optional<DeviceFolder> {
    const auto real = machine.root.resolve(root);
    if (!real) return std::nullopt;
    if (real->empty()) return DeviceFolder(machine.dev, "", options.groups);
    const auto tree = machine.root.below(*real + "/dev", root + "/dev", machine.dev.is_copy());
    if (!tree) return std::nullopt;
    return DeviceFolder(*tree, "/" + *real, options.groups);
  };
  if (!options.dev_root.empty()) {
    if (auto folder = below(options.dev_root)) return *std::move(folder);
    return fail(Code::kEnvironment, "there is no {}", machine.root.label(options.dev_root + "/dev"))
        .hint("--dev-root names the directory that holds dev/nvidiactl");
  }
  DeviceFolder own(machine.dev, "", options.groups);
  if (!driver_prefix.empty() && !own.has(known))
    if (auto folder = below(driver_prefix); folder && folder->has(known)) return *std::move(folder);
  return own;
}

bool DeviceFolder::has(std::string_view name) const {
  return is_device(tree_.node(name));
}

bool DeviceFolder::add(std::string_view name, Edits& edits, std::string_view container_path) {
  const std::optional<host::DeviceNode> node = tree_.node(name);
  if (!is_device(node)) return false;
  DeviceNode out;
  out.path = container_path.empty() ? fmt::format("/dev/{}", name) : std::string(container_path);
  // Engines look at the node itself: they do not accept a link in its place.
  if (std::string host = path(tree_.resolve(name).value_or(std::string(name))); host != out.path)
    out.host_path = std::move(host);
  // Without them an engine running as root makes a node that everybody may open.
  out.file_mode = node->mode & kPermissionBits;
  out.uid = node->uid;
  out.gid = node->gid;
  out.permissions = "rw";
  edits.device_nodes.push_back(std::move(out));
  if (node->gid != 0 && (node->mode & kEverybodyReadsAndWrites) != kEverybodyReadsAndWrites &&
      (node->mode & (kEverybodyReadsAndWrites << 3)) != 0) {
    groups_.insert(node->gid);
    if (with_groups_) edits.additional_gids.push_back(node->gid);
  }
  return true;
}

std::vector<std::string> DeviceFolder::list(std::string_view folder,
                                            std::string_view prefix) const {
  std::vector<std::string> out;
  for (const std::string& name : tree_.list(folder, kMostDevices)) {
    if (!name.starts_with(prefix) || !is_plain_name(name)) continue;
    std::string path = folder.empty() ? name : fmt::format("{}/{}", folder, name);
    if (has(path)) out.push_back(std::move(path));
  }
  const std::size_t skipped = (folder.empty() ? 0 : folder.size() + 1) + prefix.size();
  std::ranges::stable_sort(out, {}, [&](const std::string& path) {
    return parse_number(std::string_view(path).substr(skipped)).value_or(UINT64_MAX);
  });
  return out;
}

std::string DeviceFolder::path(std::string_view name) const {
  return fmt::format("{}/dev/{}", prefix_, name);
}

void note_groups(Discovery& discovery, const DeviceFolder& folder) {
  if (folder.groups().empty() || discovery.options.groups) return;
  discovery.note(fmt::format(
      "some nodes are accessible to the groups {} only: unless the container runs as root, keep "
      "them with "
      "podman --group-add keep-groups or docker --group-add GID, or write them with --groups "
      "(CDI 0.7.0)",
      fmt::join(folder.groups(), ", ")));
}

}  // namespace flense::cdi
