// What flense slim recorded in the image: the GPUs it was slimmed for and the minimum driver.
#include <algorithm>

#include "base/version_numbers.h"
#include "compat/facts/driver_mode.h"
#include "compat/facts/facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"
#include "device/target.h"

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

/// Targets of this vendor are named; this rule does not apply to an image for the other one.
bool concerns(const SlimMark& mark, const host::Gpu& gpu) {
  return std::ranges::any_of(mark.targets, [&](const std::string& target) {
    return target.starts_with("gfx") == (gpu.vendor == "amd");
  });
}

/// The floor is that of native support. Within one CUDA major older drivers run machine code, which
/// is what slimming leaves; across majors only compat libraries help.
void judge_below_floor(const Question& question, const HostDriver& driver, Check& check) {
  const knowledge::Drivers& drivers = question.tables.drivers;
  const std::string& floor = question.image.slim->driver_floor;
  const auto branch = first_number(floor);
  const knowledge::BranchRow* row = branch ? drivers.branch(*branch) : nullptr;
  const auto cuda = driver_cuda(question);
  const bool minor = row != nullptr && cuda &&
                     mode_of(drivers, driver.version, cuda->cuda, row->cuda) != DriverMode::kTooOld;
  check.fix = fmt::format("update the driver to {}, or use an image of an older CUDA", floor);
  check.message =
      fmt::format("the slim image needs driver {}, and the host has {}", floor, driver.version);
  if (minor) {
    check.verdict = Verdict::kWarn;
    check.message += ": CUDA's minor-version mode runs its machine code";
    check.evidence.push_back({"table", row->source});
  } else if (!question.image.compat.empty()) {
    check.verdict = Verdict::kUnsupported;
    check.message += ", where only its compat library could help";
    check.evidence.push_back({"image", "/" + question.image.compat[0].path});
  } else {
    check.verdict = Verdict::kFail;
  }
}

/// What was compressed anew is read by no older libcuda in any mode; a compat library of the image
/// that is newer reads it.
bool reads_code(const Question& question, const HostDriver& driver) {
  const std::string& floor = question.image.slim->code_floor;
  if (floor.empty() || version_at_least(driver.version, floor)) return true;
  const auto cuda = effective_cuda(question);
  const knowledge::FormatRow* row = question.tables.drivers.format("zstd-fatbin");
  return cuda && cuda->exact && row != nullptr && version_at_least(cuda->cuda, row->cuda);
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
    if (verdict != Verdict::kOk && !mark.input_digest.empty())
      check.evidence.push_back({"image", "made from " + inventory::origin_of(mark)});
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
  // Beside a GPU that fits, another one stays unused.
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
  const auto driver = host_driver(question.host);
  Check check;
  check.id = "slim-driver-floor";
  check.evidence = {
      {"image", fmt::format("needs driver {} ({})", mark.driver_floor, mark.evidence)},
      {"host", driver ? driver->evidence : driver_unknown_reason(question.host)}};
  check.source = "mark of flense slim in the image";
  if (!driver) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether the driver is {} or newer is unknown", mark.driver_floor);
    check.fix = "name the driver, as in --host h100@550.54.15";
  } else if (!reads_code(question, *driver)) {
    check.verdict = Verdict::kFail;
    check.evidence.push_back(
        {"image", fmt::format("device code recompressed with zstd, for driver {} or newer",
                              mark.code_floor)});
    check.message = fmt::format(
        "the device code of the slim image was recompressed for driver {} or newer, which the "
        "host's {} cannot read",
        mark.code_floor, driver->version);
    check.fix =
        fmt::format("update the driver to {}, or slim without --recompress-code", mark.code_floor);
  } else if (version_at_least(driver->version, mark.driver_floor)) {
    check.message = fmt::format("driver {} is as new as the slim image needs", driver->version);
  } else {
    judge_below_floor(question, *driver, check);
  }
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
