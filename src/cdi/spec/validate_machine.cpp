// A specification against the machine: paths, device numbers, the driver's version.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/numbers.h"
#include "cdi/spec/host_node.h"
#include "cdi/spec/validate.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

using inventory::Finding;
using Kind = host::DeviceNode::Kind;

/// The tree that a path of the host lies in, and the path there.
struct Placed {
  const host::Tree& tree;
  std::string_view path;
};

Placed place_of(const host::Machine& machine, std::string_view path) {
  for (const auto& [prefix, tree] :
       {std::pair<std::string_view, const host::Tree&>{"/dev/", machine.dev},
        {"/proc/", machine.proc},
        {"/sys/", machine.sys}})
    if (path.starts_with(prefix)) return {tree, path.substr(prefix.size())};
  return {machine.root, path};
}

/// Which driver of /proc/devices gives a node its major: only for those that the kernel numbers
/// anew at every start of the driver.
std::string_view driver_of(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == "nvidia-uvm" || name == "nvidia-uvm-tools") return "nvidia-uvm";
  if (path.find("nvidia-caps-imex-channels/") != std::string_view::npos)
    return "nvidia-caps-imex-channels";
  if (name.starts_with("nvidia-cap")) return "nvidia-caps";
  if (name.starts_with("nvidia-nvswitch")) return "nvidia-nvswitch";
  if (name.starts_with("nvidia-fs")) return "nvidia-fs";
  return name == "kfd" ? "kfd" : "";
}

/// "511 nvidia-uvm" lines of /proc/devices, the part about character devices.
std::map<std::string, std::int64_t, std::less<>> majors_of(const host::Machine& machine) {
  std::map<std::string, std::int64_t, std::less<>> out;
  const Result<std::string> text = machine.proc.read("devices");
  if (!text) return out;
  const std::string_view characters =
      std::string_view(*text).substr(0, text->find("Block devices:"));
  for (const auto& [number, name] : host::blank_pairs(characters))
    if (const auto value = parse_number(number); value && *value <= UINT32_MAX)
      out.emplace(name, static_cast<std::int64_t>(*value));
  return out;
}

/// The version that the name of a file of the NVIDIA driver carries.
std::string version_in(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (const std::size_t so = name.find(".so."); so != std::string_view::npos) {
    const bool nvidia = name.find("nvidia") != std::string_view::npos ||
                        name.starts_with("libcuda") || name.starts_with("libnv");
    const std::string_view version = name.substr(so + 4);
    return nvidia && host::is_driver_version(version) ? std::string(version) : std::string();
  }
  constexpr std::string_view kFirmware = "firmware/nvidia/";
  const std::size_t at = path.find(kFirmware);
  if (at == std::string_view::npos) return {};
  std::string_view version = path.substr(at + kFirmware.size());
  version = version.substr(0, version.find('/'));
  return host::is_driver_version(version) ? std::string(version) : std::string();
}

class MachineComparison {
 public:
  explicit MachineComparison(const host::Machine& machine)
      : machine_(machine), majors_(majors_of(machine)) {
    if (const auto text = machine.proc.read("driver/nvidia/version"))
      if (const auto module = host::parse_nvidia_version(*text)) running_ = module->version;
  }

  std::vector<Finding> compare(const Spec& spec) {
    edits(spec.edits, "$.containerEdits");
    for (std::size_t i = 0; i < spec.devices.size(); ++i)
      edits(spec.devices[i].edits, fmt::format("$.devices[{}].containerEdits", i));
    versions();
    return std::move(findings_);
  }

 private:
  void add(std::string rule, Severity severity, std::string place, std::string evidence,
           std::string why, std::string fix) {
    findings_.push_back({std::move(rule), severity, std::move(place), std::move(evidence),
                         std::move(why), std::move(fix)});
  }

  void edits(const Edits& edits, const std::string& place) {
    for (std::size_t i = 0; i < edits.device_nodes.size(); ++i)
      node(edits.device_nodes[i], fmt::format("{}.deviceNodes[{}]", place, i));
    for (std::size_t i = 0; i < edits.mounts.size(); ++i)
      mount(edits.mounts[i], fmt::format("{}.mounts[{}]", place, i));
    for (std::size_t i = 0; i < edits.hooks.size(); ++i)
      hook(edits.hooks[i], fmt::format("{}.hooks[{}]", place, i));
  }

  /// A library is there under several names, each a mount.
  bool exists(const std::string& path) {
    const auto known = exists_.find(path);
    if (known != exists_.end()) return known->second;
    const Placed placed = place_of(machine_, path);
    return exists_[path] = placed.tree.exists(placed.path);
  }

  /// The same path in several devices is one finding.
  bool first_time(std::string_view what, std::string_view path) {
    return seen_.insert(fmt::format("{} {}", what, path)).second;
  }

  void node(const DeviceNode& node, const std::string& place) {
    const std::string& path = host_path_of(node);
    if (!first_time("node", path)) return;
    const Placed placed = place_of(machine_, path);
    const auto there = placed.tree.node(placed.path);
    if (!there)
      add("node-missing", Severity::kError, place,
          path.starts_with("/dev/") ? why_missing(path, machine_.dev)
                                    : fmt::format("{} is not there", path),
          "An engine refuses every container that asks for the device.",
          "load the driver, or regenerate the specification");
    else if (there->kind != Kind::kDevice &&
             (there->kind != Kind::kOther || (node.type != "b" && node.type != "p")))
      add("node-type-differs", Severity::kError, place,
          fmt::format("{} is not a character device", path), "", "regenerate the specification");
    else if (node.type == "b" && there->kind == Kind::kDevice)
      add("node-type-differs", Severity::kError, place,
          fmt::format("{} is a character device, the specification says b", path), "",
          "regenerate the specification");
    if (there && there->kind == Kind::kDevice) mode(node, path, *there, place);
    numbers(node, path, there, place);
  }

  void mode(const DeviceNode& node, const std::string& path, const host::DeviceNode& there,
            const std::string& place) {
    // What crun and runc make of a node without a mode.
    constexpr std::uint32_t kOpen = 0666, kAll = 0777;
    const std::uint32_t given = node.file_mode.value_or(kOpen) & kAll;
    if ((given & ~there.mode) == 0) return;
    add("node-mode-looser", Severity::kWarning, place,
        fmt::format("{} has mode {:04o} here, and {:04o} in containers of root", path,
                    there.mode & kAll, given),
        node.file_mode ? "" : "Without a fileMode engines create nodes that everybody may open.",
        "regenerate the specification: flense cdi generate writes mode and owner");
  }

  void numbers(const DeviceNode& node, const std::string& path,
               const std::optional<host::DeviceNode>& there, const std::string& place) {
    const std::string_view driver = driver_of(path);
    const auto kernel = majors_.find(driver);
    const bool is_device = there && there->kind == Kind::kDevice;
    if (is_device && kernel != majors_.end() && kernel->second != there->major)
      add("node-outdated", Severity::kError, place,
          fmt::format("{} has major {}, the kernel's {} has {}", path, there->major, driver,
                      kernel->second),
          "The node is left over from an earlier start of the driver.", "recreate the node");
    if (!node.major || *node.major == 0) return;
    const std::optional<std::int64_t> now = kernel != majors_.end() ? std::optional(kernel->second)
                                            : is_device ? std::optional<std::int64_t>(there->major)
                                                        : std::nullopt;
    if (now && *now != *node.major)
      add("node-major-differs", Severity::kError, place,
          fmt::format("the specification says major {} for {}, the running kernel {}", *node.major,
                      path, *now),
          "Engines take the number of the specification: the container would get another device, "
          "or none.",
          "regenerate the specification; flense writes no majors that change");
    else if (!driver.empty())
      add("node-major-persisted", Severity::kWarning, place,
          fmt::format("the specification holds major {} of {}", *node.major, path),
          "The kernel chooses it anew at every start of the driver.",
          "leave out major and minor: engines then look at the node");
    if (is_device && now == *node.major && there->minor != node.minor.value_or(0))
      add("node-minor-differs", Severity::kError, place,
          fmt::format("the specification says minor {} for {}, the node has {}",
                      node.minor.value_or(0), path, there->minor),
          "", "regenerate the specification");
  }

  void mount(const Mount& mount, const std::string& place) {
    if (!first_time("mount", mount.host_path + " " + mount.container_path)) return;
    // Other types do not name a file of the host.
    if (!mount.type.empty() && mount.type != "bind" && mount.type != "none") return;
    const bool found = mount.host_path.starts_with('/') && exists(mount.host_path);
    if (!found)
      add("path-missing", Severity::kError, place, fmt::format("{} is not there", mount.host_path),
          "An engine refuses every container that asks for the device.",
          "regenerate the specification");
    if (const std::string version = version_in(mount.host_path); !version.empty())
      versions_.emplace(version, std::pair(place, mount.host_path));
  }

  void hook(const Hook& hook, const std::string& place) {
    if (!first_time("hook", hook.path) || exists(hook.path)) return;
    add("hook-missing", Severity::kError, place, fmt::format("{} is not there", hook.path),
        "The container does not start without it.",
        "install it, or make a specification without hooks: flense cdi generate");
  }

  void versions() {
    for (const auto& [version, where] : versions_) {
      if (running_.empty())
        add("driver-not-running", Severity::kWarning, where.first,
            fmt::format("{} belongs to driver {}, and no NVIDIA driver is loaded", where.second,
                        version),
            "Whether they match is unknown.", "load the driver");
      else if (version != running_)
        add("driver-version-differs", Severity::kError, where.first,
            fmt::format("{} belongs to driver {}, but {} is running", where.second, version,
                        running_),
            "The kernel module refuses a library of another version.",
            "regenerate the specification");
    }
  }

  const host::Machine& machine_;
  std::map<std::string, std::int64_t, std::less<>> majors_;
  std::string running_;
  /// Each version once, with the first place and file that carries it.
  std::map<std::string, std::pair<std::string, std::string>> versions_;
  std::set<std::string> seen_;
  std::map<std::string, bool> exists_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> compare_with_machine(const Spec& spec, const host::Machine& machine) {
  return MachineComparison(machine).compare(spec);
}

}  // namespace flense::cdi
