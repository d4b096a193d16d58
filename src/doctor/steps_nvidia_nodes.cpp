// NVIDIA's device nodes: present, with the numbers in use by the kernel, and open to this user.
#include <algorithm>

#include "base/format.h"
#include "base/numbers.h"
#include "doctor/groups.h"
#include "doctor/nodes.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::uint32_t kMajor = 195;  // registered with LANANA
constexpr std::uint32_t kControl = 255;
constexpr const char* kUvm = "nvidia-uvm";

/// Every node that the GPUs of this machine need, uvm and MIG aside.
std::vector<std::string> wanted_nodes(const Scene& scene) {
  std::vector<std::string> out = {"nvidiactl"};
  // In a container, the GPUs it was given are those with nodes.
  if (!scene.in_container())
    for (const host::Gpu* gpu : scene.gpus("nvidia"))
      if (gpu->minor.value) out.push_back(fmt::format("nvidia{}", *gpu->minor.value));
  for (const std::uint64_t minor : scene.nvidia_nodes())
    out.push_back(fmt::format("nvidia{}", minor));
  std::sort(out.begin() + 1, out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// Has the node made, or made again as the driver's parameters want it. With -u the tool makes the
/// nodes of nvidia-uvm and no others.
std::string make_nodes(const Scene& scene, std::string_view name) {
  if (scene.in_container())
    return "start the container again with all device nodes (--gpus all, --device "
           "nvidia.com/gpu=all); a CDI specification written before the nodes existed has to be "
           "generated again";
  const Tools& tools = scene.tools;
  if (name == kUvm) return "as root: " + tools.command("nvidia-modprobe -u -c 0");
  std::string line = fmt::format("nvidia-modprobe -c {}", kControl);
  for (const std::string& one : wanted_nodes(scene))
    if (const std::string_view minor = std::string_view(one).substr(6); parse_number(minor))
      line += fmt::format(" -c {}", minor);
  std::string out = "as root: " + tools.command(line);
  if (tools.has("nvidia-persistenced"))
    out += "; to have them at every boot: " + tools.enable("nvidia-persistenced");
  return out;
}

/// libcuda and nvidia-smi have missing nodes made and modules loaded by this program, where it may.
bool made_on_demand(const Scene& scene, Step& step) {
  constexpr std::string_view kHelper = "usr/bin/nvidia-modprobe";
  constexpr std::uint32_t kSetUser = 04000;
  if (scene.in_container()) return false;
  const auto helper = scene.machine.root.node(kHelper);
  const bool may = helper && (helper->mode & kSetUser) != 0;
  step.saw(fmt::format("{}: {}", scene.machine.root.label(kHelper),
                       !helper ? "missing"
                       : may   ? "there, set-user-ID"
                               : "there, but not set-user-ID"));
  return may;
}

/// nullopt: nothing there.
std::optional<host::DeviceNode> look(const Scene& scene, const std::string& name, Step& step) {
  const auto node = scene.machine.dev.node(name);
  const std::string label = scene.machine.dev.label(name);
  step.saw(!node ? label + ": missing"
                 : fmt::format("{}: {}, {}", label, describe(*node), rights_of(scene, *node)));
  return node;
}

void present(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "nvidia-nodes", "the device nodes of the GPUs are there");
  const std::vector<std::string> wanted = wanted_nodes(scene);
  for (const std::string& name : wanted) {
    const auto node = look(scene, name, step);
    const std::string label = scene.machine.dev.label(name);
    if (!node && made_on_demand(scene, step))
      return step.warn(label +
                           " is missing until the first program has nvidia-modprobe make it: "
                           "containers started before that have no GPU",
                       make_nodes(scene, name), "NVIDIA driver README, nvidia-modprobe");
    if (!node)
      return step.broken(label + " is missing", make_nodes(scene, name),
                         "NVIDIA driver README, chapter FAQ");
    if (node->kind == host::DeviceNode::Kind::kDevice) continue;
    if (scene.machine.dev.is_copy() && node->kind == host::DeviceNode::Kind::kFile)
      return step.unknown(label + " is a plain file in this copy and does not tell its numbers",
                          "copy device nodes as root, or write stand-ins", false);
    return step.broken(fmt::format("{} is {}, not a device node", label, describe(*node)),
                       scene.in_container() ? "an image keeps what an engine once mounted there: "
                                              "build it anew from a Dockerfile, and "
                                              "start with --gpus all instead of -v /dev/…"
                                            : "remove it, then " + make_nodes(scene, name));
  }
  if (wanted.size() == 1)
    return scene.in_container()
               ? step.broken("there is /dev/nvidiactl, but no GPU's node", make_nodes(scene, {}))
               : step.unknown("no GPU tells its minor number, so its node cannot be named",
                              make_nodes(scene, {}), false);
  step.ok(fmt::format("{}", fmt::join(wanted, ", ")));
}

void numbers(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "node-numbers", "the nodes have the kernel's numbers");
  if (scene.majors.empty())
    return step.unknown("the kernel's device numbers cannot be read",
                        "mount /proc, or name it with --proc", false);
  const auto major_of = [&](std::string_view name) -> std::optional<std::uint32_t> {
    const auto at = scene.majors.find(name);
    return at == scene.majors.end() ? std::nullopt : std::optional(at->second);
  };
  std::size_t compared = 0;
  std::vector<std::pair<std::string, std::string>> nodes = {{kUvm, kUvm}};
  for (const std::string& name : wanted_nodes(scene)) nodes.emplace_back(name, "nvidia");
  for (const std::string& name : scene.machine.dev.list("nvidia-caps"))
    nodes.emplace_back("nvidia-caps/" + name, "nvidia-caps");
  for (const auto& [name, driver] : nodes) {
    const auto node = scene.machine.dev.node(name);
    if (!node || node->kind != host::DeviceNode::Kind::kDevice) continue;
    auto major = major_of(driver);
    if (!major && driver == "nvidia") major = major_of("nvidia-frontend").value_or(kMajor);
    if (!major) continue;
    ++compared;
    const std::string label = scene.machine.dev.label(name);
    step.saw(fmt::format("{}: {}; /proc/devices: {} {}", label, describe(*node), *major, driver));
    if (node->major != *major) {
      step.smi_unaffected = driver != "nvidia";
      return step.broken(
          fmt::format("{} has major number {}, and the kernel uses {}", label, node->major, *major),
          scene.in_container()
              ? "on the host generate the CDI specification again, whose numbers are of an "
                "earlier boot: flense doctor there says how"
          : driver == "nvidia-caps" ? "reboot: the nodes of MIG are then made anew"
                                    : "remove the node, then " + make_nodes(scene, name),
          "NVIDIA/nvidia-container-toolkit#1934");
    }
    if (name == "nvidiactl" && node->minor != kControl)
      return step.broken(fmt::format("{} has minor number {}, not 255", label, node->minor),
                         "remove the node, then " + make_nodes(scene, name));
  }
  if (compared == 0) return step.skip("no node to compare");
  step.ok(counted(compared, "node agrees", "nodes agree"));
}

void uvm(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "nvidia-uvm", "CUDA's memory driver has its node");
  step.smi_unaffected = true;
  const bool module = scene.machine.sys.exists("module/nvidia_uvm") || scene.majors.contains(kUvm);
  step.saw(fmt::format("module nvidia_uvm: {}", module ? "loaded" : "not loaded"));
  const auto node = look(scene, kUvm, step);
  constexpr const char* kSource = "CUDA error 999; NVIDIA/nvidia-container-toolkit#50";
  if (!node && made_on_demand(scene, step))
    return step.warn(
        "/dev/nvidia-uvm is missing until the first CUDA program has nvidia-modprobe "
        "make it: containers started before that fail in cuInit",
        make_nodes(scene, kUvm), kSource);
  if (!node)
    return step.broken(
        module ? "/dev/nvidia-uvm is missing: cuInit fails, though nvidia-smi works"
               : "nvidia_uvm is not loaded and /dev/nvidia-uvm is missing: cuInit fails, though "
                 "nvidia-smi works",
        scene.in_container()
            ? "see that the host has it (flense doctor there), then " + make_nodes(scene, kUvm)
            : make_nodes(scene, kUvm),
        kSource);
  if (node->kind == host::DeviceNode::Kind::kDevice || scene.machine.dev.is_copy())
    return step.ok("/dev/nvidia-uvm is there");
  step.broken("/dev/nvidia-uvm is " + describe(*node), "remove it, then " + make_nodes(scene, kUvm),
              kSource);
}

/// The file of a folder that mentions a word.
std::string file_with(const host::Tree& root, const std::string& folder, std::string_view word) {
  for (const std::string& name : root.list(folder)) {
    const std::string path = fmt::format("{}/{}", folder, name);
    const Result<std::string> text = root.read(path);
    if (text && host::mentions(*text, word)) return root.label(path);
  }
  return {};
}

/// The driver's parameters say whose the nodes are to be, whoever makes them.
std::string open_nodes(const Scene& scene, std::string_view name, Step& step) {
  if (scene.in_container())
    return "on the host let the driver give its nodes to all, or to a group: flense doctor there "
           "says how";
  constexpr std::string_view kParameters = "driver/nvidia/params";
  constexpr std::uint64_t kForAll = 0666;
  const host::Tree& root = scene.machine.root;
  const Result<std::string> text = scene.machine.proc.read(kParameters);
  const auto mode = text ? parse_number(host::value_of(host::colon_pairs(*text), "DeviceFileMode"))
                         : std::nullopt;
  if (mode)
    step.saw(
        fmt::format("{}: DeviceFileMode {:04o}", scene.machine.proc.label(kParameters), *mode));
  const std::string rule = file_with(root, "etc/udev/rules.d", "nvidia");
  if (mode && (*mode & kForAll) == kForAll)
    return fmt::format(
        "not the driver did this, whose nodes are for all: take back what did ({}), "
        "then {}",
        rule.empty() ? "a script or a udev rule" : rule, make_nodes(scene, name));
  const std::string options = file_with(root, "etc/modprobe.d", "NVreg_DeviceFile");
  return fmt::format(
      "let the driver give its nodes to all: 'options nvidia NVreg_DeviceFileMode=0666' in {}, or "
      "to a group: 'options nvidia NVreg_DeviceFileGID=GID NVreg_DeviceFileMode=0660'; then {} and "
      "reboot",
      options.empty() ? "/etc/modprobe.d/nvidia.conf" : options, scene.tools.rebuild_initramfs());
}

void openable(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "node-access", "this user may open the nodes");
  step.saw(scene.user.evidence);
  std::vector<std::string> names = wanted_nodes(scene);
  names.emplace_back(kUvm);
  bool unknown = false, any = false;
  for (const std::string& name : names) {
    const auto node = scene.machine.dev.node(name);
    if (!node || node->kind != host::DeviceNode::Kind::kDevice) continue;
    any = true;
    const std::string label = scene.machine.dev.label(name);
    const std::string rights = rights_of(scene, *node);
    step.saw(fmt::format("{}: {}", label, rights));
    step.smi_unaffected = name == kUvm;
    switch (access_of(*node, scene.user)) {
      case Access::kYes:
        break;
      case Access::kUnknown:
        unknown = true;
        break;
      case Access::kDenied:
        return step.broken(
            fmt::format("the control group forbids {}: the kernel answers EPERM", label),
            "start the container again; engines that edit device rules behind systemd lose them "
            "when it reloads: use CDI (--device nvidia.com/gpu=all), or the cgroupfs driver",
            "NVIDIA/nvidia-container-toolkit#48");
      case Access::kNo:
        return step.broken(
            fmt::format("user {} may not read and write {} ({})", scene.user.uid, label, rights),
            join_group(scene, *node).value_or(open_nodes(scene, name, step)));
    }
  }
  step.smi_unaffected = false;
  if (!any) return step.skip("no node to ask about");
  if (unknown)
    return step.unknown("the user namespace hides who owns the nodes",
                        "run flense doctor outside the user namespace", false);
  step.ok(scene.user.known ? fmt::format("user {} may read and write them", scene.user.uid)
                           : "everybody may read and write them");
}

}  // namespace

void steps_nvidia_nodes(const Scene& scene, std::vector<Step>& steps) {
  if (!scene.nvidia || scene.wsl || scene.tegra) return;
  // Nodes come with the module.
  if (!scene.profile.nvidia.module_version.value && !scene.in_container() &&
      scene.nvidia_nodes().empty())
    return;
  if (scene.in_container() && scene.nvidia_nodes().empty() &&
      !scene.machine.dev.exists("nvidiactl"))
    return;
  present(scene, steps);
  uvm(scene, steps);
  numbers(scene, steps);
  openable(scene, steps);
}

}  // namespace flense::doctor
