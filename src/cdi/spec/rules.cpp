// The rules for values: SPEC.md, "CDI JSON Specification", and where the text leaves something
// open, what the reference library enforces, since engines use it.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

namespace {

constexpr std::size_t kAnnotationBytes = 256u << 10;
constexpr std::size_t kLongestLabel = 63, kLongestPrefix = 253;
constexpr std::size_t kLongestClosId = 4096;
constexpr std::array<std::string_view, 6> kHookNames = {
    "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
constexpr std::array<std::string_view, 5> kNodeTypes = {"", "b", "c", "u", "p"};

class Rules {
 public:
  void spec(const Spec& spec) {
    kind(spec.kind);
    annotations(spec.annotations, "$.annotations");
    if (spec.devices.empty())
      complain("devices-empty", "$.devices", "at least one device is required");
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < spec.devices.size(); ++i) {
      const Device& device = spec.devices[i];
      const std::string place = fmt::format("$.devices[{}]", i);
      if (const std::string why = complaint_about_device(device.name); !why.empty())
        complain("device-name-invalid", place + ".name",
                 fmt::format("the device name '{}' {}", device.name, why));
      else if (!seen.insert(device.name).second)
        complain("device-duplicate", place + ".name",
                 fmt::format("there is another device '{}'", device.name));
      annotations(device.annotations, place + ".annotations");
      if (device.edits.empty())
        complain("edits-empty", place + ".containerEdits",
                 fmt::format("the device '{}' edits nothing", device.name));
      edits(device.edits, place + ".containerEdits");
    }
    edits(spec.edits, "$.containerEdits");
  }

  std::vector<Violation> take() { return std::move(violations_); }

 private:
  void complain(std::string rule, std::string place, std::string message) {
    if (violations_.size() < kMaxViolations)
      violations_.push_back({std::move(rule), std::move(place), std::move(message)});
  }

  void kind(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos)
      return complain("kind-invalid", "$.kind", fmt::format("'{}' is not VENDOR/CLASS", text));
    const std::string vendor = text.substr(0, slash), device_class = text.substr(slash + 1);
    if (const std::string why = complaint_about_vendor(vendor); !why.empty())
      complain("kind-invalid", "$.kind", fmt::format("the vendor '{}' {}", vendor, why));
    else if (const std::string wrong = complaint_about_class(device_class); !wrong.empty())
      complain("kind-invalid", "$.kind", fmt::format("the class '{}' {}", device_class, wrong));
  }

  /// Kubernetes' rules: an optional DNS subdomain with '/', and a name.
  void annotations(const std::map<std::string, std::string>& all, const std::string& place) {
    std::size_t total = 0;
    for (const auto& [key, value] : all) {
      total += key.size() + value.size();
      const std::size_t slash = key.find('/');
      const std::string prefix = slash == std::string::npos ? "" : key.substr(0, slash);
      const std::string name = slash == std::string::npos ? key : key.substr(slash + 1);
      if (!is_label(name, "_-.", kLongestLabel) ||
          (slash != std::string::npos && !is_subdomain(prefix)))
        complain("annotation-invalid", place,
                 fmt::format("'{}' is not an annotation key ([DOMAIN/]NAME)", key));
    }
    if (total > kAnnotationBytes)
      complain(
          "annotation-invalid", place,
          fmt::format("{} bytes of annotations, at most {} are allowed", total, kAnnotationBytes));
  }

  static bool is_label(std::string_view text, std::string_view between, std::size_t longest) {
    return !text.empty() && text.size() <= longest && is_alphanumeric(text.front()) &&
           is_alphanumeric(text.back()) && std::ranges::all_of(text, [&](char c) {
             return is_alphanumeric(c) || between.find(c) != std::string_view::npos;
           });
  }

  static bool is_subdomain(std::string_view text) {
    if (text.size() > kLongestPrefix) return false;
    while (true) {
      const std::string_view label = text.substr(0, text.find('.'));
      if (!is_label(label, "-", kLongestLabel)) return false;
      if (label.size() == text.size()) return true;
      text.remove_prefix(label.size() + 1);
    }
  }

  void edits(const Edits& edits, const std::string& place) {
    environment(edits.env, place + ".env");
    for (std::size_t i = 0; i < edits.device_nodes.size(); ++i)
      node(edits.device_nodes[i], fmt::format("{}.deviceNodes[{}]", place, i));
    net_devices(edits.net_devices, place + ".netDevices");
    for (std::size_t i = 0; i < edits.mounts.size(); ++i) {
      const std::string where = fmt::format("{}.mounts[{}]", place, i);
      if (edits.mounts[i].host_path.empty())
        complain("mount-invalid", where + ".hostPath", "the path on the host is empty");
      if (edits.mounts[i].container_path.empty())
        complain("mount-invalid", where + ".containerPath", "the path in the container is empty");
    }
    for (std::size_t i = 0; i < edits.hooks.size(); ++i)
      hook(edits.hooks[i], fmt::format("{}.hooks[{}]", place, i));
    if (edits.intel_rdt) intel_rdt(*edits.intel_rdt, place + ".intelRdt");
  }

  void environment(const std::vector<std::string>& env, const std::string& place) {
    for (std::size_t i = 0; i < env.size(); ++i)
      if (const std::size_t equals = env[i].find('='); equals == 0 || equals == std::string::npos)
        complain("env-invalid", fmt::format("{}[{}]", place, i),
                 fmt::format("'{}' is not NAME=VALUE", env[i]));
  }

  void node(const DeviceNode& node, const std::string& place) {
    if (node.path.empty())
      complain("node-invalid", place + ".path", "the path of the device is empty");
    if (std::ranges::find(kNodeTypes, node.type) == kNodeTypes.end())
      complain("node-invalid", place + ".type",
               fmt::format("{}: the type '{}' is not one of b, c, u, p", node.path, node.type));
    for (const auto& [number, name] : {std::pair(node.major, "major"), {node.minor, "minor"}})
      if (number && (*number < 0 || *number > UINT32_MAX))
        complain("node-invalid", fmt::format("{}.{}", place, name),
                 fmt::format("{}: {} is not a device number", node.path, *number));
    if (node.permissions != "none" &&
        node.permissions.find_first_not_of("rwm") != std::string::npos)
      complain("node-invalid", place + ".permissions",
               fmt::format("{}: the permissions '{}' are not among r, w, m", node.path,
                           node.permissions));
  }

  void net_devices(const std::vector<NetDevice>& devices, const std::string& place) {
    std::set<std::string_view> hosts, names;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      const auto& [host, name] = devices[i];
      if (host.empty() || name.empty())
        complain("net-device-invalid", fmt::format("{}[{}]", place, i),
                 "both names of a network device are required");
      else if (!hosts.insert(host).second || !names.insert(name).second)
        complain("net-device-invalid", fmt::format("{}[{}]", place, i),
                 fmt::format("'{}' as '{}': one of the names is taken", host, name));
    }
  }

  void hook(const Hook& hook, const std::string& place) {
    if (std::ranges::find(kHookNames, hook.name) == kHookNames.end())
      complain(
          "hook-invalid", place + ".hookName",
          fmt::format("there is no hook '{}', only {}", hook.name, fmt::join(kHookNames, ", ")));
    if (!hook.path.starts_with('/'))
      complain("hook-invalid", place + ".path",
               fmt::format("'{}' is not an absolute path", hook.path));
    if (hook.timeout && *hook.timeout <= 0)
      complain("hook-invalid", place + ".timeout",
               fmt::format("{} seconds: a timeout is greater than 0", *hook.timeout));
    environment(hook.env, place + ".env");
  }

  void intel_rdt(const IntelRdt& rdt, const std::string& place) {
    const std::string& id = rdt.clos_id;
    if (id != "/" && (id == "." || id == ".." || id.size() >= kLongestClosId ||
                      id.find_first_of("/\n") != std::string::npos))
      complain("intel-rdt-invalid", place + ".closID",
               fmt::format("'{}' is not a file name", id.substr(0, 64)));
    if ((rdt.enable_cmt || rdt.enable_mbm) && (rdt.enable_monitoring || !rdt.schemata.empty()))
      complain("intel-rdt-invalid", place,
               "no version has both enableCMT or enableMBM and schemata or enableMonitoring");
  }

  std::vector<Violation> violations_;
};

}  // namespace

std::vector<Violation> violations_of(const Spec& spec) {
  Rules rules;
  rules.spec(spec);
  return rules.take();
}

}  // namespace flense::cdi
