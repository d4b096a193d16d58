// Which GPUs the program is told to see: CUDA_VISIBLE_DEVICES, and MIG.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "doctor/groups.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr const char* kVisibleGuide = "CUDA C++ Programming Guide, environment variables";

std::vector<std::string> words(std::string_view list) {
  std::vector<std::string> out;
  while (out.size() < 256) {
    const std::size_t end = list.find(',');
    out.push_back(host::clean(list.substr(0, end)));
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return out;
}

/// GPUs that CUDA can number; nullopt where no file tells.
std::optional<std::size_t> device_count(const Scene& scene) {
  if (scene.tegra) return 1;
  if (scene.wsl) return std::nullopt;
  if (const std::size_t nodes = scene.nvidia_nodes().size(); nodes > 0) return nodes;
  return std::nullopt;
}

std::size_t instances(const Scene& scene) {
  std::size_t out = 0;
  for (const host::Gpu* gpu : scene.gpus("nvidia"))
    out += static_cast<std::size_t>(gpu->mig_instances.value.value_or(0));
  return out;
}

enum class Match : std::uint8_t { kYes, kNo, kUnknown };

struct Judged {
  Match match = Match::kUnknown;
  std::string why;
};

Judged judge_uuid(const Scene& scene, const std::string& word) {
  std::size_t hits = 0, unknown = 0;
  const auto gpus = scene.gpus("nvidia");
  for (const host::Gpu* gpu : gpus) {
    if (!gpu->uuid.value)
      ++unknown;
    else if (to_lower(*gpu->uuid.value).starts_with(to_lower(word)))
      ++hits;
  }
  if (hits == 1) return {Match::kYes, {}};
  if (hits > 1) return {Match::kNo, fmt::format("'{}' begins the UUIDs of {} GPUs", word, hits)};
  if (unknown > 0 || gpus.empty()) return {Match::kUnknown, "not every GPU tells its UUID"};
  return {Match::kNo, fmt::format("no GPU has the UUID {}", word)};
}

/// One word of the list; indices count whole GPUs.
Judged judge(const Scene& scene, const std::string& word) {
  const std::string small = to_lower(word);
  if (small.starts_with("mig-")) {
    if (scene.tegra || scene.wsl) return {Match::kNo, "MIG does not exist here"};
    if (instances(scene) > 0) return {Match::kUnknown, "no file tells the UUIDs of MIG instances"};
    return {Match::kNo, fmt::format("'{}' names a MIG instance, and there is none", word)};
  }
  if (small.starts_with("gpu-")) return judge_uuid(scene, word);
  const auto index = parse_number(word);
  if (!index) return {Match::kNo, fmt::format("'{}' is neither an index nor a UUID", word)};
  const auto count = device_count(scene);
  if (!count) return {Match::kUnknown, "no file tells how many GPUs there are"};
  if (*index < *count) return {Match::kYes, {}};
  return {Match::kNo, fmt::format("there is no GPU {}: there {} {}", *index,
                                  *count == 1 ? "is" : "are", *count)};
}

void cuda_visible(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "cuda-visible-devices", "CUDA_VISIBLE_DEVICES names GPUs that exist");
  step.smi_unaffected = true;
  const std::string* value = scene.variable("CUDA_VISIBLE_DEVICES");
  if (value == nullptr) {
    step.saw("CUDA_VISIBLE_DEVICES is not set");
    return step.ok("not set: all GPUs are visible");
  }
  const std::string shown = host::clean(*value);
  step.saw(fmt::format("CUDA_VISIBLE_DEVICES='{}'", shown));
  if (const auto count = device_count(scene))
    step.saw(counted(*count, "GPU can be numbered", "GPUs can be numbered"));
  const char* lister = scene.tools.has("nvidia-smi") ? "nvidia-smi -L" : "flense host";
  const std::string remedy = scene.variable("SLURM_JOB_ID") != nullptr
                                 ? "ask Slurm for a GPU (--gres=gpu:1, --gpus=1): it sets the "
                                   "variable to what the job owns"
                                 : fmt::format(
                                       "unset CUDA_VISIBLE_DEVICES, or name GPUs as {} "
                                       "lists them; inside a container the count begins "
                                       "anew at 0",
                                       lister);
  if (shown.empty())
    return step.broken("CUDA_VISIBLE_DEVICES is set and empty: no GPU is visible", remedy,
                       kVisibleGuide);

  const std::vector<std::string> list = words(*value);
  bool unknown = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Judged judged = judge(scene, list[i]);
    if (judged.match == Match::kUnknown) {
      unknown = true;
      step.saw(judged.why);
    }
    if (judged.match != Match::kNo) continue;
    // The first invalid entry hides itself and everything after it.
    if (i == 0)
      return step.broken(judged.why + ", so CUDA sees none at all", remedy, kVisibleGuide);
    return step.warn(fmt::format("{}: CUDA sees only the {} named before it", judged.why, i),
                     remedy, kVisibleGuide);
  }
  if (unknown)
    return step.unknown("whether the devices named exist cannot be told from files",
                        fmt::format("compare with {}", lister), false);
  step.ok(shown);
}

/// Text of an access file: "DeviceFileMinor: 30".
std::optional<std::uint64_t> capability_minor(const host::Tree& proc, const std::string& folder) {
  const Result<std::string> text = proc.read(folder + "/access");
  if (!text) return std::nullopt;
  return parse_number(host::value_of(host::colon_pairs(*text), "DeviceFileMinor"));
}

void mig(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "mig", "MIG instances can be used");
  step.smi_unaffected = true;
  const host::Tree& proc = scene.machine.proc;
  const host::Tree& dev = scene.machine.dev;
  std::size_t found = 0, reachable = 0;
  std::string missing;
  for (const host::Gpu* gpu : scene.gpus("nvidia")) {
    if (!gpu->minor.value || gpu->mig_instances.value.value_or(0) == 0) continue;
    // A container also sees the instances of GPUs that it was not given.
    if (scene.in_container() && !dev.exists(fmt::format("nvidia{}", *gpu->minor.value))) continue;
    const std::string folder =
        fmt::format("driver/nvidia/capabilities/gpu{}/mig", *gpu->minor.value);
    for (const std::string& instance : proc.list(folder)) {
      if (!instance.starts_with("gi")) continue;
      const std::string inner = folder + "/" + instance;
      std::vector<std::string> compute;
      for (const std::string& name : proc.list(inner))
        if (name.starts_with("ci")) compute.push_back(name);
      if (compute.empty()) {
        step.saw(proc.label(inner) + ": no compute instance");
        return step.broken(fmt::format("{} of {} has no compute instance, so CUDA cannot use it",
                                       instance, gpu_name(*gpu)),
                           scene.in_container()
                               ? "on the host create one, then start the container again"
                               : "create one: " + scene.tools.command("nvidia-smi mig -cci"),
                           "NVIDIA Multi-Instance GPU User Guide");
      }
      const auto minor = capability_minor(proc, inner);
      if (!minor) continue;
      ++found;
      const std::string node = fmt::format("nvidia-caps/nvidia-cap{}", *minor);
      if (dev.exists(node))
        ++reachable;
      else if (missing.empty())
        missing = dev.label(node);
    }
  }
  step.saw(fmt::format("{}: {}", proc.label("driver/nvidia/capabilities"),
                       counted(found, "MIG instance", "MIG instances")));
  step.saw(fmt::format("{}: {} of them", dev.label("nvidia-caps"), reachable));
  if (found == 0)
    return step.skip(
        "no instances; MIG mode without any is in no plain file (nvidia-smi -q -d MIG)");
  // A container may be given only some of the instances.
  if (reachable == 0 || (!scene.in_container() && reachable < found))
    return step.broken(
        missing + " is missing: the MIG instances cannot be used",
        scene.in_container()
            ? "name an instance: --gpus 'device=0:0', --device nvidia.com/gpu=0:0; "
              "generate the CDI "
              "specification again after a change of the MIG layout"
            : "for each, as root: " +
                  scene.tools.command("nvidia-modprobe -f /proc/driver/nvidia/capabilities/"
                                      "gpu0/mig/gi…/access"),
        "NVIDIA Multi-Instance GPU User Guide, device nodes");
  step.ok(counted(reachable, "instance", "instances"));
}

}  // namespace

void steps_visible(const Scene& scene, std::vector<Step>& steps) {
  if (!scene.nvidia) return;
  cuda_visible(scene, steps);
  if (!scene.wsl && !scene.tegra) mig(scene, steps);
}

}  // namespace flense::doctor
