#include "cdi/diff.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/path.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

/// "/usr/lib/libcuda.so.550.54.15" -> "/usr/lib/libcuda.so.": what stays the same in an update.
std::string without_version(const std::string& path) {
  const std::size_t mark = path.rfind(".so.");
  if (mark != std::string::npos && host::is_driver_version(std::string_view(path).substr(mark + 4)))
    return path.substr(0, mark + 4);
  // Firmware lies in a folder of the version.
  const std::string folder(parent_path(path));
  if (host::is_driver_version(base_name(folder)))
    return fmt::format("{}//{}", parent_path(folder), base_name(path));
  return path;
}

class Comparison {
 public:
  explicit Comparison(std::vector<Difference>& out) : out_(out) {}

  void edits(const std::string& device, const Edits& was, const Edits& now) {
    device_ = device;
    nodes(was, now);
    mounts(was, now);
    sets("environment", was.env, now.env);
    sets("hook", hooks_of(was), hooks_of(now));
    std::vector<std::string> old_groups, new_groups;
    for (const auto gid : was.additional_gids) old_groups.push_back(fmt::format("{}", gid));
    for (const auto gid : now.additional_gids) new_groups.push_back(fmt::format("{}", gid));
    sets("group", old_groups, new_groups);
  }

 private:
  void add(std::string what, std::string how, std::string name, std::string was, std::string now) {
    out_.push_back({std::move(what), std::move(how), device_, std::move(name), std::move(was),
                    std::move(now)});
  }

  static std::string host_of(const DeviceNode& node) {
    return node.host_path.empty() ? node.path : node.host_path;
  }

  void nodes(const Edits& was, const Edits& now) {
    std::map<std::string, std::string> old_nodes, new_nodes;
    for (const DeviceNode& node : was.device_nodes) old_nodes[node.path] = host_of(node);
    for (const DeviceNode& node : now.device_nodes) new_nodes[node.path] = host_of(node);
    maps("node", old_nodes, new_nodes);
  }

  void maps(const std::string& what, const std::map<std::string, std::string>& was,
            const std::map<std::string, std::string>& now) {
    for (const auto& [name, host] : was) {
      const auto at = now.find(name);
      if (at == now.end())
        add(what, "gone", name, host, "");
      else if (at->second != host)
        add(what, "changed", name, host, at->second);
    }
    for (const auto& [name, host] : now)
      if (!was.contains(name)) add(what, "new", name, "", host);
  }

  /// A file under another version's name is the same file in another version.
  void mounts(const Edits& was, const Edits& now) {
    std::map<std::string, std::string> old_mounts, new_mounts;
    for (const Mount& mount : was.mounts) old_mounts[mount.container_path] = mount.host_path;
    for (const Mount& mount : now.mounts) new_mounts[mount.container_path] = mount.host_path;
    std::map<std::string, std::string> arrived;  // without version -> path
    for (const auto& [path, host] : new_mounts)
      if (!old_mounts.contains(path)) arrived.emplace(without_version(path), path);
    for (auto at = old_mounts.begin(); at != old_mounts.end();) {
      const auto& [path, host] = *at;
      const auto renamed = arrived.find(without_version(path));
      if (new_mounts.contains(path) || renamed == arrived.end()) {
        ++at;
        continue;
      }
      add("mount", "changed", renamed->second, host, new_mounts[renamed->second]);
      new_mounts.erase(renamed->second);
      arrived.erase(renamed);
      at = old_mounts.erase(at);
    }
    maps("mount", old_mounts, new_mounts);
  }

  void sets(const std::string& what, std::vector<std::string> was, std::vector<std::string> now) {
    std::ranges::sort(was);
    std::ranges::sort(now);
    for (const std::string& one : was)
      if (!std::ranges::binary_search(now, one)) add(what, "gone", one, one, "");
    for (const std::string& one : now)
      if (!std::ranges::binary_search(was, one)) add(what, "new", one, "", one);
  }

  static std::vector<std::string> hooks_of(const Edits& edits) {
    std::vector<std::string> out;
    for (const Hook& hook : edits.hooks)
      out.push_back(fmt::format("{} {} {}", hook.name, hook.path, fmt::join(hook.args, " ")));
    return out;
  }

  std::vector<Difference>& out_;
  std::string device_;
};

}  // namespace

std::vector<Difference> differences(const Spec& on_disk, const Spec& generated) {
  std::vector<Difference> out;
  std::map<std::string, const Device*> old_devices, new_devices;
  for (const Device& device : on_disk.devices) old_devices[device.name] = &device;
  for (const Device& device : generated.devices) new_devices[device.name] = &device;
  for (const Device& device : on_disk.devices)
    if (!new_devices.contains(device.name))
      out.push_back({"device", "gone", "", device.name, "", ""});
  for (const Device& device : generated.devices)
    if (!old_devices.contains(device.name))
      out.push_back({"device", "new", "", device.name, "", ""});
  Comparison comparison(out);
  comparison.edits("", on_disk.edits, generated.edits);
  for (const Device& device : generated.devices)
    if (const auto at = old_devices.find(device.name); at != old_devices.end())
      comparison.edits(device.name, at->second->edits, device.edits);
  return out;
}

}  // namespace flense::cdi
