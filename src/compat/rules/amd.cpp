// ROCm's user space on this kernel driver and these GPUs, and whether ROCm can reach them.
#include <algorithm>

#include "base/version_numbers.h"
#include "compat/facts/amd.h"
#include "compat/facts/facts.h"
#include "compat/facts/visible_gpus.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

bool concerns_amd(const Question& question) {
  return !question.facts->rocm_evidence.empty() && !gpus_of(question.host, "amd").empty();
}

/// The release of amdgpu, from what the module says.
struct Driver {
  std::string release, evidence;
};
Driver driver_of(const Question& question) {
  const host::Text& fact = question.host.amd.driver_version;
  if (!fact.value) return {};
  const std::string seen = fmt::format("amdgpu {} ({})", *fact.value, fact.evidence);
  if (const auto* row = question.tables.rocm.module(*fact.value))
    return {row->driver, fmt::format("{}, the module of release {}", seen, row->driver)};
  return {*fact.value, seen};
}

std::string range(const knowledge::RocmDriverRow& row) {
  return fmt::format("amdgpu {} runs ROCm {} to {}", row.driver, row.rocm_min, row.rocm_max);
}

/// A GPU of the host that came with a newer driver, and its row.
std::pair<const host::Gpu*, const knowledge::RocmFirstDriverRow*> too_new_gpu(
    const Question& question, const std::string& driver) {
  for (const host::Gpu* gpu : gpus_of(question.host, "amd")) {
    const std::string gfx = parse_amd_target(gpu->architecture.value.value_or("")).processor;
    const auto* row = question.tables.rocm.first_driver(gfx);
    if (row != nullptr && !version_at_least(driver, row->driver)) return {gpu, row};
  }
  return {};
}

}  // namespace

void rule_rocm_driver(const Question& question, std::vector<Check>& checks) {
  if (!concerns_amd(question)) return;
  const Seen& rocm = question.facts->rocm;
  const Driver driver = driver_of(question);
  const std::string table = question.tables.tables.state("rocm");
  Check check;
  check.id = "rocm-driver";
  check.decisive = false;  // much works outside the matrix; code that cannot run fails elsewhere
  check.evidence = {
      {"image", rocm.version.empty() ? question.facts->rocm_evidence : rocm.evidence},
      {"host", driver.release.empty() ? unknown_because(question.host.amd.driver_version)
                                      : driver.evidence}};
  check.source = fmt::format("rocm.json, drivers ({})", table);
  check.fix =
      "use a driver that AMD's matrix names for this ROCm, or an image of a ROCm that it "
      "names for this driver";
  const bool described = !question.host.system.kernel.value;
  const auto rows = question.tables.rocm.rows_of(driver.release);
  const auto fits = std::ranges::find_if(rows, [&](const auto* row) {
    return version_at_least(rocm.version, row->rocm_min) &&
           compare_versions(rocm.version, row->rocm_max) <= 0;
  });
  if (rocm.version.empty()) {
    check.verdict = Verdict::kUnknown;
    check.message = "the version of the image's ROCm is unknown";
    check.fix = question.image.contents ? "label the image with its ROCm (ROCM_VERSION)"
                                        : "check the image with its layers read";
  } else if (driver.release.empty()) {
    check.verdict = Verdict::kUnknown;
    check.message =
        fmt::format("whether the host's amdgpu runs ROCm {} is unknown, as {}", rocm.version,
                    described ? "nobody named the driver" : "the driver has no version");
    // On a machine that was looked at it is the kernel's own, with which much works.
    check.decisive = described;
    check.fix = described ? "name the driver, --host mi300x@6.10.5"
                          : "the kernel's own driver is outside AMD's matrix: try it, or install "
                            "amdgpu-dkms";
  } else if (const auto [gpu, first] = too_new_gpu(question, driver.release);
             first != nullptr && !rows.empty()) {
    check.verdict = Verdict::kUnsupported;
    check.message = fmt::format("AMD supports {} from amdgpu {} on, and the host has {}",
                                gpu_text(*gpu), first->driver, driver.release);
    check.source = first->source;
    check.fix = fmt::format("install amdgpu {} or newer", first->driver);
  } else if (fits != rows.end()) {
    check.message = fmt::format("AMD supports ROCm {} on amdgpu {}", rocm.version, driver.release);
    check.evidence.push_back({"table", range(**fits)});
    check.source = (*fits)->source;
    check.fix.clear();
  } else if (rows.empty()) {
    check.verdict = Verdict::kUnknown;
    check.message =
        fmt::format("AMD's matrix of {} has no row for amdgpu {}", table, driver.release);
  } else if (!version_at_least(question.tables.rocm.newest(), rocm.version)) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("ROCm {} is newer than the table of {}", rocm.version, table);
  } else {
    check.verdict = Verdict::kUnsupported;
    check.message =
        fmt::format("AMD does not support ROCm {} on amdgpu {}", rocm.version, driver.release);
    for (const auto* row : rows) check.evidence.push_back({"table", range(*row)});
    check.source = rows[0]->source;
  }
  checks.push_back(std::move(check));
}

void rule_rocm_gpu(const Question& question, std::vector<Check>& checks) {
  if (!concerns_amd(question)) return;
  const Seen& rocm = question.facts->rocm;
  const auto* row = question.tables.rocm.gpus_of(rocm.version);
  if (row == nullptr) {
    // Of a ROCm that is unknown or newer than the table the driver's rule speaks.
    if (rocm.version.empty() || !version_at_least(question.tables.rocm.newest(), rocm.version))
      return;
    checks.push_back({"rocm-gpu",
                      Verdict::kUnknown,
                      fmt::format("which GPUs AMD lists for ROCm {} is unknown", rocm.version),
                      {{"image", rocm.evidence},
                       {"table", fmt::format("rocm.json, gpus ({}), has no row for it",
                                             question.tables.tables.state("rocm"))}},
                      "see AMD's list of supported GPUs for this release",
                      "unknown facts are not judged"});
    checks.back().decisive = false;
    return;
  }
  std::vector<std::string> seen;
  for (const host::Gpu* gpu : gpus_of(question.host, "amd")) {
    if (!gpu->architecture.value) continue;
    const std::string gfx = parse_amd_target(*gpu->architecture.value).processor;
    if (std::ranges::find(seen, gfx) != seen.end()) continue;
    seen.push_back(gfx);
    const bool listed = std::ranges::find(row->gfx, gfx) != row->gfx.end();
    Check check;
    check.id = "rocm-gpu";
    check.verdict = listed ? Verdict::kOk : Verdict::kUnsupported;
    check.message = fmt::format("AMD {} {} for ROCm {}", listed ? "lists" : "does not list",
                                gpu_text(*gpu), rocm.version);
    check.evidence = {{"image", rocm.evidence},
                      {"host", gpu_text(*gpu)},
                      {"table", fmt::format("GPUs of ROCm {} to {}: {}", row->rocm_min,
                                            row->rocm_max, fmt::join(row->gfx, ", "))}};
    if (!listed) check.fix = "use an image of a ROCm that lists the GPU";
    check.source = row->source;
    checks.push_back(std::move(check));
  }
}

void rule_amd_nodes(const Question& question, std::vector<Check>& checks) {
  if (question.facts->rocm_evidence.empty()) return;
  const auto gpus = gpus_of(question.host, "amd");
  Check check;
  check.id = "amd-nodes";
  check.evidence = {{"image", question.facts->rocm_evidence}};
  check.source = "the host's sysfs and KFD topology";
  if (gpus.empty()) {
    // GPUs of the other vendor: vendor-mismatch. An image for both may have meant the other one.
    if (!question.host.gpus.empty() || !question.facts->cuda_evidence.empty()) return;
    const bool none = question.host.gpu_count.value == 0u;
    check.verdict = none ? Verdict::kFail : Verdict::kUnknown;
    check.message = none ? "the image is built for ROCm, and the host has no GPU"
                         : "whether the host has an AMD GPU is unknown";
    check.evidence.push_back({"host", none ? question.host.gpu_count.evidence
                                           : unknown_because(question.host.gpu_count)});
    check.fix = "choose a host with an AMD GPU, or describe it: --host mi300x@6.10.5";
    checks.push_back(std::move(check));
    return;
  }
  const bool others =
      !std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return is_held_by_another(*gpu); });
  const bool others_bound = std::ranges::any_of(
      gpus, [](const host::Gpu* gpu) { return gpu->kernel_driver.value == "amdgpu"; });
  std::vector<std::string> nodes;
  for (const host::Gpu* gpu : gpus) {
    if (is_held_by_another(*gpu)) {
      Check bound = check;
      bound.verdict = others ? Verdict::kWarn : Verdict::kFail;
      bound.message = fmt::format("{} is bound to {}, not to amdgpu", gpu_text(*gpu),
                                  *gpu->kernel_driver.value);
      bound.evidence.push_back({"host", gpu->kernel_driver.evidence});
      bound.fix = "bind the GPU to amdgpu, or leave it to its virtual machine";
      checks.push_back(std::move(bound));
    } else if (gpu->minor.value) {
      nodes.push_back(fmt::format("/dev/dri/renderD{}", *gpu->minor.value));
      check.evidence.push_back(
          {"host", fmt::format("{}: {}", gpu_text(*gpu), gpu->minor.evidence)});
    } else if (const bool bound = gpu->kernel_driver.value.has_value();
               !(bound ? gpu->minor.evidence : gpu->kernel_driver.evidence).empty()) {
      Check unknown = check;
      unknown.verdict = Verdict::kUnknown;
      unknown.message =
          bound ? fmt::format("{} has no known render node", gpu_text(*gpu))
                : fmt::format("which kernel driver holds {} is unknown", gpu_text(*gpu));
      unknown.evidence.push_back(
          {"host", bound ? unknown_because(gpu->minor) : unknown_because(gpu->kernel_driver)});
      unknown.fix = "look for the GPU in /sys/class/kfd/kfd/topology/nodes and in dmesg";
      if (!bound && question.host.amd.module.value == false) {
        unknown.verdict = others_bound ? Verdict::kWarn : Verdict::kFail;
        unknown.message =
            fmt::format("amdgpu is not loaded, and no module holds {}", gpu_text(*gpu));
        unknown.fix = "modprobe amdgpu; where that finds no module, install amdgpu-dkms";
      } else if (!bound && others_bound) {
        unknown.verdict = Verdict::kWarn;
        unknown.message = fmt::format("no kernel driver holds {}", gpu_text(*gpu));
      }
      checks.push_back(std::move(unknown));
    }
  }
  if (nodes.empty()) return;  // a described host: nothing was examined
  if (question.host.amd.kfd.value == false) {
    check.verdict = Verdict::kFail;
    check.message = "the host has no /dev/kfd, through which ROCm reaches its GPUs";
    check.evidence.push_back({"host", question.host.amd.kfd.evidence});
    check.fix =
        "modprobe amdgpu, and look for kfd in dmesg: the module makes the node where it supports "
        "the GPU and the processor";
    checks.push_back(std::move(check));
    return;
  }
  check.message = fmt::format("the container needs /dev/kfd and {}", fmt::join(nodes, ", "));
  check.fix = "pass the nodes (--device) and the numeric groups that own them (--group-add)";
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
