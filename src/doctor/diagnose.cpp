#include "doctor/diagnose.h"

#include <array>

#include "doctor/groups.h"

namespace flense::doctor {

namespace {

constexpr std::array<Group, 13> kGroups = {
    steps_machine,    steps_injection, steps_platform, steps_nvidia_module, steps_nvidia_nodes,
    steps_library,    steps_visible,   steps_amd,      steps_fabric,        steps_slim_image,
    steps_frameworks, steps_services,  steps_engines};

std::optional<bool> any_gpu(const Scene& scene) {
  if (scene.nvidia || scene.amd) return true;
  if (!scene.profile.gpu_count.value) return std::nullopt;
  return *scene.profile.gpu_count.value > 0;
}

}  // namespace

Diagnosis diagnose(const host::Machine& machine, const host::Profile& profile,
                   const Environment& environment, const knowledge::Knowledge& tables) {
  const Scene scene(machine, profile, environment, tables);
  Diagnosis out;
  out.gpu = any_gpu(scene);
  for (const Group group : kGroups) {
    group(scene, out.steps);
    // Without a GPU further questions are pointless.
    if (out.gpu == false) break;
  }
  return out;
}

}  // namespace flense::doctor
