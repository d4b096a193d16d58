// What flense slim wrote into the image: the GPUs it was cut down for and the least driver.
#include <algorithm>

#include "compat/rules.h"
#include "compat/software.h"
#include "device/target.h"
#include "knowledge/gpus.h"
#include "knowledge/version.h"

namespace flense::compat {

namespace {

using inventory::SlimMark;

enum class Fit { kExact, kMaybe, kNo, kUnknown };

/// Exact: the GPU is a target. Maybe: code that was kept for a target can run on it, and nobody
/// looked whether all of it does.
Fit fit(const SlimMark& mark, const host::Gpu& gpu) {
  if (!gpu.architecture.value) return Fit::kUnknown;
  const std::string& name = *gpu.architecture.value;
  if (gpu.vendor == "amd") {
    const auto bare = device::parse_amd_arch(name);
    return bare && std::ranges::find(mark.targets, *bare) != mark.targets.end() ? Fit::kExact
                                                                                : Fit::kNo;
  }
  const auto arch = device::parse_cuda_arch(name);
  if (!arch) return Fit::kUnknown;
  Fit out = Fit::kNo;
  for (const std::string& text : mark.targets) {
    const auto target = device::parse_cuda_arch(text);
    if (!target) continue;
    if (*target == *arch) return Fit::kExact;
    // "safe" keeps all PTX, which the driver compiles for newer GPUs.
    const bool ptx = mark.level == "safe" && device::ptx_compiles_for(*target, *arch);
    if (ptx || device::cubin_surely_runs_on(*target, *arch)) out = Fit::kMaybe;
  }
  return out;
}

/// Targets of this vendor are named; an image for the other one is none of this rule's business.
bool concerns(const SlimMark& mark, const host::Gpu& gpu) {
  return std::ranges::any_of(mark.targets, [&](const std::string& target) {
    return target.starts_with("gfx") == (gpu.vendor == "amd");
  });
}

}  // namespace

void rule_slim_target(const Question& question, std::vector<Check>& checks) {
  if (!question.image.slim || question.image.slim->targets.empty()) return;
  const SlimMark& mark = *question.image.slim;
  std::vector<const host::Gpu*> exact, maybe, none, unknown;
  for (const host::Gpu& gpu : question.host.gpus) {
    if (!concerns(mark, gpu)) continue;
    switch (fit(mark, gpu)) {
      case Fit::kExact:
        exact.push_back(&gpu);
        break;
      case Fit::kMaybe:
        maybe.push_back(&gpu);
        break;
      case Fit::kNo:
        none.push_back(&gpu);
        break;
      case Fit::kUnknown:
        unknown.push_back(&gpu);
        break;
    }
  }
  const std::string targets = fmt::format("{}", fmt::join(mark.targets, ", "));
  const auto add = [&](const std::vector<const host::Gpu*>& gpus, Verdict verdict,
                       std::string message, std::string fix) {
    if (gpus.empty()) return;
    Check check;
    check.id = "slim-target";
    check.verdict = verdict;
    check.message = std::move(message);
    check.evidence = {{"image", fmt::format("slimmed for {} ({})", targets, mark.evidence)},
                      {"host", describe(gpus)}};
    check.fix = std::move(fix);
    check.source = "mark of flense slim in the image";
    if (!unknown.empty() && &gpus == &unknown)
      check.evidence.push_back({"host", unknown_because(unknown[0]->architecture)});
    checks.push_back(std::move(check));
  };
  const std::string again =
      "slim the original image again with --gpu for this GPU, or use the original";
  add(exact, Verdict::kOk, fmt::format("the image was slimmed for {}", describe(exact)), {});
  add(maybe, Verdict::kUnsupported,
      fmt::format("the image was slimmed for {}, not for {}; the code that was kept may run on it",
                  targets, describe(maybe)),
      again);
  // Beside a GPU that fits, another one is left unused.
  add(none, exact.empty() ? Verdict::kFail : Verdict::kWarn,
      fmt::format("the image was slimmed for {}, and code for {} was removed", targets,
                  describe(none)),
      exact.empty() ? again : "choose the GPU by NVIDIA_VISIBLE_DEVICES or its UUID");
  add(unknown, Verdict::kUnknown,
      fmt::format("whether {} is one of the GPUs that the image was slimmed for is unknown",
                  describe(unknown)),
      "name the GPU's product or architecture, as in --host h100@550.54.15");
}

void rule_slim_driver_floor(const Question& question, std::vector<Check>& checks) {
  if (!question.image.slim || question.image.slim->driver_floor.empty() ||
      gpus_of(question.host, "nvidia").empty())
    return;
  const SlimMark& mark = *question.image.slim;
  const host::Nvidia& nvidia = question.host.nvidia;
  const host::Text& driver =
      nvidia.library_version.value ? nvidia.library_version : nvidia.module_version;
  Check check;
  check.id = "slim-driver-floor";
  check.evidence = {
      {"image", fmt::format("needs driver {} ({})", mark.driver_floor, mark.evidence)},
      {"host", driver.value ? fmt::format("driver {} ({})", *driver.value, driver.evidence)
                            : unknown_because(driver)}};
  check.source = "mark of flense slim in the image";
  if (!driver.value) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether the driver is {} or newer is unknown", mark.driver_floor);
    check.fix = "name the driver, as in --host h100@550.54.15";
  } else if (knowledge::at_least(*driver.value, mark.driver_floor)) {
    check.message = fmt::format("driver {} is as new as the slim image needs", *driver.value);
  } else {
    // The floor is that of native support. Within one CUDA major older drivers run its machine
    // code, which is what slimming leaves.
    const auto floor_cuda = knowledge::first_number(knowledge::cuda_of_driver(mark.driver_floor)),
               host_cuda = knowledge::first_number(nvidia.cuda.value
                                                       ? *nvidia.cuda.value
                                                       : knowledge::cuda_of_driver(*driver.value));
    const bool same_major = floor_cuda && floor_cuda == host_cuda;
    check.verdict = same_major ? Verdict::kUnsupported : Verdict::kFail;
    check.message = fmt::format("the slim image needs driver {}, and the host has {}",
                                mark.driver_floor, *driver.value);
    check.fix = fmt::format("upgrade the driver to {}, or use an image of an older CUDA",
                            mark.driver_floor);
    if (same_major)
      check.evidence.push_back(
          {"table", fmt::format("both drivers are of CUDA {}: minor-version mode", *floor_cuda)});
    if (!question.image.compat.empty() && !same_major) {
      check.verdict = Verdict::kUnsupported;
      check.evidence.push_back(
          {"image", "compat libraries for older drivers: " + question.image.compat[0].path});
    }
  }
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
