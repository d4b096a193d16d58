// Inside a container: did the engine bring a GPU in at all?
#include "base/format.h"
#include "doctor/groups.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr const char* kToolkit = "NVIDIA Container Toolkit documentation, environment variables";

bool amd_nodes(const Scene& scene) {
  if (scene.machine.dev.exists("kfd")) return true;
  for (const std::string& name : scene.machine.dev.list("dri"))
    if (name.starts_with("renderD")) return true;
  return false;
}

/// The driver's user space is brought in from outside; an image that has one of its own is judged
/// later, as a shadow.
bool anything_of_nvidia(const Scene& scene) {
  return !scene.nvidia_nodes().empty() || scene.machine.dev.exists("nvidiactl") ||
         scene.machine.dev.exists("dxg") || scene.machine.dev.exists("nvmap");
}

void visible_devices(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "nvidia-visible-devices", "NVIDIA_VISIBLE_DEVICES asks for a GPU");
  const std::string* value = scene.variable("NVIDIA_VISIBLE_DEVICES");
  step.saw(value == nullptr ? "NVIDIA_VISIBLE_DEVICES is not set"
                            : fmt::format("NVIDIA_VISIBLE_DEVICES='{}'", host::clean(*value)));
  // CDI itself sets it to void, so with nodes present it says nothing.
  if (anything_of_nvidia(scene)) return step.skip("device nodes are in place");
  if (value == nullptr) return step.skip("not set: only --gpus or a CDI device asks for a GPU");
  const std::string remedy =
      "start the container with --gpus all (Docker), --device nvidia.com/gpu=all (Podman, Docker "
      "with CDI), or with NVIDIA_VISIBLE_DEVICES=all under NVIDIA's runtime";
  if (*value == "void" || value->empty())
    return step.broken(
        value->empty()
            ? "NVIDIA_VISIBLE_DEVICES is empty, so no GPU was brought in"
            : "NVIDIA_VISIBLE_DEVICES is void, so NVIDIA's runtime left the container as it was",
        remedy, kToolkit);
  if (*value == "none")
    return step.broken("NVIDIA_VISIBLE_DEVICES is none: libraries of the driver, but no GPU",
                       remedy, kToolkit);
  step.ok("it asks for " + host::clean(*value));
}

void injected(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "container-gpu", "the container was given a GPU");
  const host::Tree& dev = scene.machine.dev;
  const bool nvidia = anything_of_nvidia(scene), amd = amd_nodes(scene);
  step.saw("container: " + scene.container);
  step.saw(fmt::format("{}: {}", dev.label("nvidia*"),
                       nvidia ? counted(scene.nvidia_nodes().size(), "GPU", "GPUs") : "nothing"));
  step.saw(fmt::format("{}: {}", dev.label("kfd and dri/renderD*"), amd ? "there" : "nothing"));
  step.saw(scene.libcuda.found ? "libcuda.so.1: " + scene.libcuda.found->path
                               : "libcuda.so.1: not found");
  if (nvidia || amd)
    return step.ok(nvidia ? "NVIDIA device nodes are in it" : "AMD device nodes are in it");
  if (scene.variable("NVIDIA_VISIBLE_DEVICES") != nullptr && scene.nvidia)
    return step.broken(
        "NVIDIA_VISIBLE_DEVICES asks for a GPU, but nothing brought one in: the container does not "
        "run under NVIDIA's runtime",
        "start it with --gpus all or --device nvidia.com/gpu=all; in Kubernetes request "
        "nvidia.com/gpu and check that the runtime class is nvidia",
        kToolkit);
  step.broken("no GPU was brought into this container",
              scene.amd && !scene.nvidia
                  ? "start it with --device /dev/kfd --device /dev/dri (Docker, Podman)"
                  : "start it with --gpus all (Docker), --device nvidia.com/gpu=all (Podman), "
                    "--nv (Apptainer); in Kubernetes request nvidia.com/gpu; for AMD GPUs pass "
                    "--device /dev/kfd --device /dev/dri");
}

void capabilities(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "driver-capabilities", "NVIDIA_DRIVER_CAPABILITIES includes compute");
  const std::string* value = scene.variable("NVIDIA_DRIVER_CAPABILITIES");
  step.smi_unaffected = scene.nvml;
  step.saw(value == nullptr ? "NVIDIA_DRIVER_CAPABILITIES is not set"
                            : fmt::format("NVIDIA_DRIVER_CAPABILITIES='{}'", host::clean(*value)));
  step.saw(scene.libcuda.found ? "libcuda.so.1: " + scene.libcuda.found->path
                               : "libcuda.so.1: not found");
  if (scene.nvidia_nodes().empty()) return step.skip("no NVIDIA device node is in the container");
  if (scene.libcuda.found) return step.ok("libcuda was brought in");
  const std::string remedy =
      "start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility, or set it in the image";
  if (value != nullptr && value->find("compute") == std::string::npos &&
      value->find("all") == std::string::npos)
    return step.broken(
        fmt::format("NVIDIA_DRIVER_CAPABILITIES is '{}', without compute: libcuda was left outside",
                    host::clean(*value)),
        remedy, kToolkit);
  if (value == nullptr)
    return step.broken(
        "NVIDIA_DRIVER_CAPABILITIES is not set and libcuda was left outside: enroot's default is "
        "utility alone, and plain device nodes bring no library",
        remedy, "NVIDIA/enroot, hooks/98-nvidia.sh");
  step.skip("compute is asked for; why libcuda is not found is the question of driver-library");
}

}  // namespace

void steps_injection(const Scene& scene, std::vector<Step>& steps) {
  if (!scene.in_container()) return;
  visible_devices(scene, steps);
  injected(scene, steps);
  capabilities(scene, steps);
}

}  // namespace flense::doctor
