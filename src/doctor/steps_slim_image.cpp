// Inside an image that flense slim made: was it made for the GPU that is here?
#include <algorithm>

#include "base/format.h"
#include "device/target.h"
#include "doctor/groups.h"
#include "inventory/describe/slim_mark.h"

namespace flense::doctor {

namespace {

enum class Fit { kNone, kMaybe, kExact };

/// Exact: a target. Maybe: machine code that was kept for a target runs on it, and nobody looked
/// whether there is some for everything.
Fit fit(const inventory::SlimMark& mark, const host::Gpu& gpu) {
  const std::string& name = *gpu.architecture.value;
  Fit best = Fit::kNone;
  for (const std::string& target : mark.targets) {
    if (gpu.vendor == "amd") {
      if (device::parse_amd_arch(name) == target) return Fit::kExact;
      continue;
    }
    const auto here = device::parse_cuda_arch(name), kept = device::parse_cuda_arch(target);
    if (!here || !kept) continue;
    if (here->number == kept->number) return Fit::kExact;
    if (device::cubin_runs_on(*kept, *here)) best = Fit::kMaybe;
  }
  return best;
}

}  // namespace

void steps_slim_image(const Scene& scene, std::vector<Step>& steps) {
  const Result<std::string> text = scene.machine.root.read(inventory::kMarkerPath);
  if (!text) return;
  Step& step = ask(steps, "slim-target", "the image was slimmed for this GPU");
  const auto mark = inventory::mark_of_file(*text);
  const std::string label = scene.machine.root.label(inventory::kMarkerPath);
  if (!mark || mark->targets.empty())
    return step.unknown(label + " is not what flense slim writes", "", false);
  const std::string targets = fmt::format("{}", fmt::join(mark->targets, ", "));
  step.saw(fmt::format("{}: slimmed to {}, at {}, by flense {}", label, targets, mark->level,
                       mark->version));
  const host::Gpu *exact = nullptr, *maybe = nullptr, *none = nullptr;
  for (const host::Gpu& gpu : scene.profile.gpus) {
    if (!gpu.architecture.value) continue;
    const Fit here = fit(*mark, gpu);
    (here == Fit::kExact ? exact : here == Fit::kMaybe ? maybe : none) = &gpu;
    step.saw(fmt::format("{}: {}", gpu_name(gpu), *gpu.architecture.value));
  }
  const std::string again =
      "slim the original image again with --gpu for this GPU, or use the "
      "original; the image's label dev.flense.input-digest names it";
  if (exact != nullptr)
    return step.ok(fmt::format("the image was slimmed for {}", gpu_name(*exact)));
  if (maybe != nullptr)
    return step.warn(fmt::format("the image was slimmed for {}, not for {}; the code that was kept "
                                 "may run on it",
                                 targets, gpu_name(*maybe)),
                     again);
  if (none != nullptr)
    return step.broken(fmt::format("the image was slimmed for {}, and code for {} was removed",
                                   targets, gpu_name(*none)),
                       again);
  step.unknown("the architecture of no GPU here is known", "flense host shows what is", false);
}

}  // namespace flense::doctor
