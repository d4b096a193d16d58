// What SPEC.md allows and no device needs: paths that are not what they seem, mounts over what the
// engine itself sets up or with more options than a bind mount has, control characters.
#include <algorithm>
#include <array>

#include "cdi/spec/spec.h"

namespace flense::cdi {

namespace {

/// The engine's own; below them a container may get things.
constexpr std::array<std::string_view, 4> kOfTheEngine = {"/", "/dev", "/proc", "/sys"};
/// Engines write there while they set a container up, and mask what shows the host's state.
constexpr std::array<std::string_view, 2> kNothingBelow = {"/proc/", "/sys/fs/cgroup/"};
/// Of /proc, what a driver shows.
constexpr std::string_view kDriversOfProc = "/proc/driver/";
/// The kernel's state once more, without what the engine masks.
constexpr std::array<std::string_view, 9> kKernelTypes = {"proc",     "sysfs",    "cgroup",
                                                          "cgroup2",  "devtmpfs", "securityfs",
                                                          "configfs", "debugfs",  "tracefs"};
/// Against no_new_privs, the device rules, and the host's own mount table.
constexpr std::array<std::string_view, 4> kLooseOptions = {"suid", "dev", "shared", "rshared"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto value = static_cast<unsigned char>(c);
    return value < 0x20 || value == 0x7f;
  });
}

bool has_parent(std::string_view path) {
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part == "..") return true;
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return false;
}

/// One slash between names, none at the end.
std::string plain(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (!part.empty() && part != ".") out.append("/").append(part);
  }
  return out.empty() ? "/" : out;
}

class Hazards {
 public:
  void edits(const Edits& edits, const std::string& place) {
    const auto each = [&](const auto& items, const char* name, const auto& look) {
      for (std::size_t i = 0; i < items.size(); ++i)
        look(items[i], fmt::format("{}.{}[{}]", place, name, i));
    };
    each(edits.env, "env", [this](const auto&... a) { variable(a...); });
    each(edits.device_nodes, "deviceNodes", [this](const auto&... a) { node(a...); });
    each(edits.net_devices, "netDevices", [this](const auto&... a) { net_device(a...); });
    each(edits.mounts, "mounts", [this](const auto&... a) { mount(a...); });
    each(edits.hooks, "hooks", [this](const auto&... a) { hook(a...); });
  }

  std::vector<Violation> take() { return std::move(found_); }

 private:
  void complain(std::string rule, std::string place, std::string message) {
    if (found_.size() < kMaxViolations)
      found_.push_back({std::move(rule), std::move(place), std::move(message)});
  }

  bool text(const std::string& text, const std::string& place) {
    if (!has_control(text)) return true;
    complain("control-character", place, fmt::format("'{}' holds a control character", text));
    return false;
  }

  bool path(const std::string& path, const std::string& place) {
    if (!text(path, place)) return false;
    if (path.starts_with('/') && !has_parent(path)) return true;
    if (path.starts_with('/'))
      complain("path-leaves", place, fmt::format("'{}' holds '..'", path));
    else
      complain("path-relative", place, fmt::format("'{}' is not an absolute path", path));
    return false;
  }

  void variable(const std::string& assignment, const std::string& place) {
    text(assignment.substr(0, assignment.find('=')), place);
  }

  void node(const DeviceNode& node, const std::string& place) {
    if (const std::string why = complaint_about_node(node.path); !why.empty())
      complain("path-leaves", place + ".path", why);
    if (node.host_path.empty() || !path(node.host_path, place + ".hostPath")) return;
    // So is that of a driver's own root.
    if (plain(node.host_path).find("/dev/") == std::string::npos)
      complain("path-leaves", place + ".hostPath",
               fmt::format("'{}' is not in a directory named dev", node.host_path));
  }

  void net_device(const NetDevice& device, const std::string& place) {
    for (const std::string& name : {device.host_interface, device.name})
      if (text(name, place) && name.find('/') != std::string::npos)
        complain("path-leaves", place, fmt::format("'{}' is not an interface name", name));
  }

  void mount(const Mount& mount, const std::string& place) {
    const bool bind = mount.type.empty() || mount.type == "bind" || mount.type == "none";
    if (bind) path(mount.host_path, place + ".hostPath");
    if (holds(kKernelTypes, mount.type))
      complain("mount-unsafe", place + ".type",
               fmt::format("a file system of type {} is mounted by the engine", mount.type));
    for (const std::string& option : mount.options)
      if (text(option, place + ".options") && holds(kLooseOptions, option))
        complain("mount-unsafe", place + ".options",
                 fmt::format("{}: no device needs the option {}", mount.container_path, option));
    if (!path(mount.container_path, place + ".containerPath")) return;
    const std::string target = plain(mount.container_path);
    const bool below = std::ranges::any_of(kNothingBelow, [&](std::string_view folder) {
      return (target + "/").starts_with(folder) && !target.starts_with(kDriversOfProc);
    });
    if (below || holds(kOfTheEngine, target))
      complain("mount-unsafe", place + ".containerPath",
               fmt::format("{} is set up by the engine", target));
  }

  void hook(const Hook& hook, const std::string& place) {
    path(hook.path, place + ".path");
    for (const std::string& one : hook.env) variable(one, place + ".env");
  }

  std::vector<Violation> found_;
};

}  // namespace

std::string complaint_about_node(std::string_view path) {
  const std::string clean = plain(path);
  if (has_control(path)) return fmt::format("'{}' holds a control character", path);
  if (!path.starts_with('/') || has_parent(path) || !clean.starts_with("/dev/"))
    return fmt::format("'{}' is not a path below /dev", path);
  return {};
}

std::vector<Violation> hazards_of(const Edits& edits, const std::string& place) {
  Hazards hazards;
  hazards.edits(edits, place);
  return hazards.take();
}

std::vector<Violation> hazards_of(const Spec& spec) {
  Hazards hazards;
  for (std::size_t i = 0; i < spec.devices.size(); ++i)
    hazards.edits(spec.devices[i].edits, fmt::format("$.devices[{}].containerEdits", i));
  hazards.edits(spec.edits, "$.containerEdits");
  return hazards.take();
}

}  // namespace flense::cdi
