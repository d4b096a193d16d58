// AMD: amdgpu drives the cards, KFD knows them, the nodes are accessible, no variable hides them.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/format.h"
#include "base/numbers.h"
#include "doctor/groups.h"
#include "doctor/nodes.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr const char* kInstall = "AMD ROCm documentation, installation prerequisites";

void module(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "amdgpu-loaded", "amdgpu drives the GPUs");
  const host::Tree& sys = scene.machine.sys;
  const bool loaded = sys.exists("module/amdgpu");
  step.saw(fmt::format("{}: {}", sys.label("module/amdgpu"), loaded ? "there" : "missing"));
  if (!loaded)
    return step.broken(
        "amdgpu is not loaded",
        scene.in_container()
            ? "on the host load it; flense doctor there says how"
            : scene.tools.command("modprobe amdgpu") +
                  "; look for a blacklist in /etc/modprobe.d and for nomodeset on the kernel "
                  "command line",
        kInstall);
  for (const host::Gpu* gpu : scene.gpus("amd")) {
    const std::string driver = gpu->kernel_driver.value.value_or("none");
    step.saw(fmt::format("{}: driver {}", gpu_name(*gpu), driver));
    if (driver == "amdgpu" || driver.starts_with("vfio") || driver == "pci-stub") continue;
    return step.broken(
        fmt::format("{} is not driven by amdgpu, but by {}", gpu_name(*gpu), driver),
        driver == "radeon"
            ? "boot with radeon.si_support=0 radeon.cik_support=0 amdgpu.si_support=1 "
              "amdgpu.cik_support=1; ROCm itself supports newer GPUs only"
            : scene.tools.kernel_log("amdgpu") +
                  ": firmware missing, or the GPU is newer than this kernel",
        kInstall);
  }
  step.ok(scene.profile.amd.driver_version.value.value_or("the kernel's own"));
}

void topology(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "kfd-topology", "the compute driver knows the GPUs");
  const host::Tree& sys = scene.machine.sys;
  if (!sys.exists("class/kfd/kfd/topology/nodes")) {
    step.saw(sys.label("class/kfd/kfd/topology/nodes") + ": missing");
    return step.broken("the kernel has no compute driver (KFD)",
                       "use a kernel with CONFIG_HSA_AMD, or install amdgpu-dkms", kInstall);
  }
  for (const host::Gpu* gpu : scene.gpus("amd")) {
    step.saw(fmt::format("{}: {}", gpu->architecture.evidence, gpu_name(*gpu)));
    if (gpu->kernel_driver.value != "amdgpu" || gpu->partitions.value.value_or(0) > 0) continue;
    return step.broken(gpu_name(*gpu) + " has no node in the KFD topology, so ROCm does not see it",
                       scene.tools.kernel_log("kfd") +
                           ": PCIe atomics missing on its slot, or a GPU that KFD does not support",
                       "AMD ROCm documentation, PCIe atomics");
  }
  step.ok(counted(scene.gpus("amd").size(), "GPU has a node", "GPUs have nodes"));
}

std::vector<std::string> render_nodes(const Scene& scene) {
  std::vector<std::string> out;
  for (const std::string& name : scene.machine.dev.list("dri"))
    if (name.starts_with("renderD")) out.push_back("dri/" + name);
  return out;
}

/// True when the node is as it should be or cannot be told; else the step is broken.
bool node_fine(const Scene& scene, const std::string& name, std::string_view driver, Step& step) {
  const auto node = scene.machine.dev.node(name);
  const std::string label = scene.machine.dev.label(name);
  step.saw(!node ? label + ": missing"
                 : fmt::format("{}: {}, {}", label, describe(*node), rights_of(scene, *node)));
  if (!node) {
    step.broken(label + " is missing",
                scene.in_container()
                    ? "start the container with --device /dev/kfd --device /dev/dri"
                    : "it comes with amdgpu: " + scene.tools.kernel_log("kfd"),
                kInstall);
    return false;
  }
  if (node->kind != host::DeviceNode::Kind::kDevice && !scene.machine.dev.is_copy()) {
    step.broken(label + " is " + describe(*node), "remove it, then load amdgpu again");
    return false;
  }
  const auto major = scene.majors.find(driver);
  if (node->kind == host::DeviceNode::Kind::kDevice && major != scene.majors.end() &&
      node->major != major->second) {
    step.broken(
        fmt::format("{} has major number {}, and the kernel uses {}", label, node->major,
                    major->second),
        "start the container again; a CDI specification with fixed numbers outlives the boot "
        "it was written in: generate it again");
    return false;
  }
  return true;
}

void nodes(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "amd-nodes", "/dev/kfd and the render nodes are there");
  if (!node_fine(scene, "kfd", "kfd", step)) return;
  std::vector<std::string> wanted = render_nodes(scene);
  if (!scene.in_container())
    for (const host::Gpu* gpu : scene.gpus("amd"))
      if (gpu->minor.value) wanted.push_back(fmt::format("dri/renderD{}", *gpu->minor.value));
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (wanted.empty())
    return step.broken("there is no render node in " + scene.machine.dev.label("dri"),
                       scene.in_container()
                           ? "start the container with --device /dev/dri"
                           : "it comes with amdgpu: " + scene.tools.kernel_log("amdgpu"),
                       kInstall);
  for (const std::string& name : wanted)
    if (!node_fine(scene, name, "drm", step)) return;
  step.ok(fmt::format("/dev/kfd and {}", counted(wanted.size(), "render node", "render nodes")));
}

/// As AMD's documentation has it.
std::string give_to_render(const Scene& scene) {
  if (scene.in_container())
    return "on the host give the nodes to the group render; flense doctor there says how";
  return "give the nodes to the group render, in /etc/udev/rules.d/70-amdgpu.rules: "
         "KERNEL==\"kfd\", GROUP=\"render\", MODE=\"0660\" and SUBSYSTEM==\"drm\", "
         "KERNEL==\"renderD*\", GROUP=\"render\", MODE=\"0660\"; then reboot, and join the group";
}

void access(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "amd-access", "this user may open them");
  step.saw(scene.user.evidence);
  std::vector<std::string> names = render_nodes(scene);
  names.insert(names.begin(), "kfd");
  bool unknown = false, any = false;
  for (const std::string& name : names) {
    const auto node = scene.machine.dev.node(name);
    if (!node || node->kind != host::DeviceNode::Kind::kDevice) continue;
    any = true;
    const std::string label = scene.machine.dev.label(name);
    step.saw(fmt::format("{}: {}", label, rights_of(scene, *node)));
    const Access can = access_of(*node, scene.user);
    unknown |= can == Access::kUnknown;
    if (can == Access::kDenied)
      return step.broken(
          fmt::format("the control group forbids {}: the kernel answers EPERM", label),
          "start the container with --device for each node, not with -v /dev");
    if (can != Access::kNo) continue;
    const auto join = join_group(scene, *node);
    return step.broken(
        join ? fmt::format("user {} is not in group {}, which {} belongs to", scene.user.uid,
                           group_name(scene.machine.root, node->gid), label)
             : fmt::format("user {} may not read and write {} ({})", scene.user.uid, label,
                           rights_of(scene, *node)),
        join.value_or(give_to_render(scene)), kInstall);
  }
  if (!any) return step.skip("no device node to ask about");
  if (unknown)
    return step.unknown("the user namespace hides which groups the user has",
                        "with crun keep the groups (--group-add keep-groups)", false);
  step.ok(scene.user.known ? fmt::format("user {} may read and write them", scene.user.uid)
                           : "everybody may read and write them");
}

/// "10.3.0" -> "gfx1030": major and minor decimal and hexadecimal, as LLVM spells targets.
std::string overridden_target(std::string_view text) {
  std::array<unsigned, 3> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts.at(i));
    if (error != std::errc()) return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (i + 1 == parts.size()) break;
    if (!text.starts_with('.')) return {};
    text.remove_prefix(1);
  }
  if (!text.empty() || parts[0] > 63 || parts[1] > 255 || parts[2] > 255) return {};
  return fmt::format("gfx{}{:x}{:x}", parts[0], parts[1], parts[2]);
}

/// The generation of a target, "gfx9" or "gfx10": all but minor and stepping.
std::string_view generation(std::string_view target) {
  return target.substr(0, target.size() < 2 ? 0 : target.size() - 2);
}

void override_target(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "hsa-override", "HSA_OVERRIDE_GFX_VERSION suits the GPU");
  const std::string* value = scene.variable("HSA_OVERRIDE_GFX_VERSION");
  if (value == nullptr) return step.skip("not set");
  const std::string shown = host::clean(*value), target = overridden_target(*value);
  step.saw(fmt::format("HSA_OVERRIDE_GFX_VERSION='{}'", shown));
  if (target.empty())
    return step.broken(
        fmt::format("HSA_OVERRIDE_GFX_VERSION is '{}', which is not a version: ROCm finds no GPU",
                    shown),
        "unset it, or write three numbers with dots: 10.3.0 stands for gfx1030",
        "ROCm, libhsakmt topology.c");
  for (const host::Gpu* gpu : scene.gpus("amd")) {
    if (!gpu->architecture.value) continue;
    const std::string& real = *gpu->architecture.value;
    step.saw(fmt::format("{}: {}", gpu_name(*gpu), real));
    if (real == target) continue;
    const std::string text =
        fmt::format("HSA_OVERRIDE_GFX_VERSION makes programs load code for {} on {}", target, real);
    if (generation(real) != generation(target))
      return step.broken(text + ", another generation",
                         "unset it: the GPU would run instructions that it does not have");
    return step.warn(text, "AMD does not support this; unset it if the build has code for " + real);
  }
  step.ok(target);
}

void visible(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "rocm-visible-devices", "the variables name GPUs that exist");
  std::size_t count = 0;
  for (const host::Gpu* gpu : scene.gpus("amd"))
    count += static_cast<std::size_t>(gpu->partitions.value.value_or(1));
  bool any = false;
  // HIP also obeys CUDA_VISIBLE_DEVICES; on a machine with both vendors it is meant for the other.
  std::vector<const char*> names = {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
                                    "GPU_DEVICE_ORDINAL"};
  if (!scene.nvidia) names.push_back("CUDA_VISIBLE_DEVICES");
  for (const char* name : names) {
    const std::string* value = scene.variable(name);
    if (value == nullptr) continue;
    any = true;
    const std::string shown = host::clean(*value);
    step.saw(fmt::format("{}='{}', {}", name, shown, counted(count, "device", "devices")));
    const std::string remedy = fmt::format(
        "unset {}, or name devices as ROCm counts them; inside a container the count begins at 0",
        name);
    constexpr const char* kSource = "AMD ROCm documentation, GPU isolation techniques";
    if (shown.empty())
      return step.broken(fmt::format("{} is set and empty: no GPU is visible", name), remedy,
                         kSource);
    const std::string first = host::clean(std::string_view(shown).substr(0, shown.find(',')));
    if (first.starts_with("GPU-")) continue;
    const auto index = parse_number(first);
    if (!index)
      return step.broken(fmt::format("{}: '{}' is neither an index nor a UUID", name, first),
                         remedy, kSource);
    if (*index >= count && !scene.in_container())
      return step.broken(fmt::format("{} asks for device {}, and there {} {}", name, *index,
                                     count == 1 ? "is" : "are", count),
                         remedy, kSource);
  }
  if (!any) {
    step.saw(fmt::format("{}: not set", fmt::join(names, ", ")));
    return step.ok("none is set: all GPUs are visible");
  }
  step.ok("they name devices that exist");
}

}  // namespace

void steps_amd(const Scene& scene, std::vector<Step>& steps) {
  if (!scene.amd) return;
  module(scene, steps);
  topology(scene, steps);
  nodes(scene, steps);
  access(scene, steps);
  override_target(scene, steps);
  visible(scene, steps);
}

}  // namespace flense::doctor
