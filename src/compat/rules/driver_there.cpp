// The host's driver: is it there, does it hold the GPUs, and is it complete?
#include <algorithm>
#include <iterator>

#include "base/format.h"
#include "compat/facts/facts.h"
#include "compat/facts/visible_gpus.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

std::string names_of(const std::vector<const host::Gpu*>& gpus) {
  std::vector<std::string> names;
  for (const host::Gpu* gpu : gpus)
    if (std::string name = gpu_text(*gpu); std::ranges::find(names, name) == names.end())
      names.push_back(std::move(name));
  return fmt::format("{}", fmt::join(names, ", "));
}

Check untold(std::string id, std::string message, std::vector<Evidence> evidence, std::string fix) {
  Check out{std::move(id),       Verdict::kUnknown, std::move(message),
            std::move(evidence), std::move(fix),    "unknown facts are not judged"};
  return out;
}

Evidence need_evidence(const Question& question) {
  const auto cuda = image_cuda(question);
  return {"image", cuda ? cuda->evidence : "device code or variables of CUDA"};
}

Check held_by_another(const Question& question, const std::vector<const host::Gpu*>& gpus) {
  const host::Text& driver = gpus.front()->kernel_driver;
  return {
      "driver-missing",
      Verdict::kFail,
      fmt::format("the kernel driver {} holds the GPU, not NVIDIA's", *driver.value),
      {need_evidence(question), {"host", fmt::format("{}: {}", names_of(gpus), driver.evidence)}},
      "bind the GPU to NVIDIA's driver, or choose a host that offers it",
      "the host's own facts"};
}

Check without_module(const Question& question, const std::vector<const host::Gpu*>& gpus) {
  const host::Text& driver = gpus.front()->kernel_driver;
  return {"driver-missing",
          Verdict::kFail,
          "NVIDIA's kernel module is not loaded, and none is found that is built for this kernel",
          {need_evidence(question),
           {"host", fmt::format("{}: {}", names_of(gpus), driver.evidence)},
           {"host", "not in " + question.host.nvidia.module.evidence}},
          "modprobe nvidia; where that finds no module, install the kernel's headers and the "
          "driver again (dkms autoinstall), or the package of modules for this kernel",
          "the host's own facts"};
}

/// A host that was looked at, whose driver is only its kernel module.
bool lacks_library(const host::Profile& host) {
  return host.nvidia.library.value == false && host.nvidia.module_version.value && !is_tegra(host);
}

Check without_library(const Question& question) {
  const host::Nvidia& nvidia = question.host.nvidia;
  return {"driver-missing",
          Verdict::kFail,
          fmt::format("the kernel module {} is loaded, and the host has no libcuda that could "
                      "reach a container",
                      *nvidia.module_version.value),
          {need_evidence(question),
           {"host", nvidia.module_version.evidence},
           {"host", nvidia.library.evidence}},
          fmt::format("install the driver's libraries of version {} on the host (libcuda1, "
                      "libnvidia-compute, nvidia-driver-cuda-libs)",
                      *nvidia.module_version.value),
          "the host's own facts"};
}

/// GPUs that do not count, since others have a driver.
void warn_of_unheld(const std::vector<const host::Gpu*>& gpus, std::vector<Check>& checks) {
  std::vector<const host::Gpu*> unheld;
  std::ranges::copy_if(gpus, std::back_inserter(unheld),
                       [](const host::Gpu* gpu) { return is_held_by_none(*gpu); });
  if (unheld.empty() || unheld.size() == gpus.size()) return;
  checks.push_back(
      {"driver-missing",
       Verdict::kWarn,
       fmt::format("no kernel driver holds {} of {} GPUs, which CUDA does not see", unheld.size(),
                   gpus.size()),
       {{"host", fmt::format("{}: {}", names_of(unheld), unheld.front()->kernel_driver.evidence)}},
       "look for the GPU in lspci -k and dmesg on the host",
       "the host's own facts"});
}

Check without_driver(const Question& question, const std::vector<const host::Gpu*>& gpus) {
  const std::string reason = driver_unknown_reason(question.host);
  const std::vector<Evidence> evidence = {need_evidence(question),
                                          {"host", fmt::format("{}: {}", names_of(gpus), reason)}};
  if (question.host.nvidia.installed.value == false)
    return {"driver-missing",
            Verdict::kFail,
            "the host has an NVIDIA GPU and no NVIDIA driver",
            evidence,
            "install NVIDIA's driver and load its kernel module",
            "the host's own facts"};
  return untold("driver-missing", "which driver the host has is unknown", evidence,
                driver_unknown_fix(question.host));
}

/// "T4-2B", "A40-8A": a vGPU of series B or A, for virtual PCs and applications.
bool is_vgpu_without_cuda(const host::Gpu& gpu) {
  const std::string name = gpu.name.value.value_or("");
  const std::string_view type = std::string_view(name).substr(name.rfind('-') + 1);
  const std::size_t digits = std::min(type.find_first_not_of("0123456789"), type.size());
  const std::string_view series = type.substr(digits);
  return name.contains('-') && digits != 0 && (series == "A" || series == "B" || series == "B4");
}

}  // namespace

void rule_driver_missing(const Question& question, std::vector<Check>& checks) {
  if (needs_cuda(question) == Answer::kNo) return;
  const host::Profile& host = question.host;
  const auto gpus = nvidia_gpus(host);
  const bool wsl = on_wsl(host) == Answer::kYes;
  if (gpus.empty()) {
    if (has_gpus_of_others(host)) return;
    if (host.gpu_count.value == std::uint64_t{0} && !wsl) {
      if (needs_cuda(question) == Answer::kUnknown) return;
      checks.push_back({"driver-missing",
                        Verdict::kFail,
                        "the image needs CUDA, and the host has no GPU",
                        {need_evidence(question), {"host", "GPUs: " + host.gpu_count.evidence}},
                        "choose a host with an NVIDIA GPU",
                        "the host's own facts"});
      return;
    }
    if (!wsl && !host.gpu_count.value)
      checks.push_back(untold("driver-missing", "which GPUs the host has is unknown",
                              {need_evidence(question), {"host", "GPUs: not told"}},
                              "name the GPU: --host h100@550.54.15"));
    if (!wsl) return;
  }
  if (!gpus.empty() && host.gpu_count.value == std::uint64_t{0}) {
    checks.push_back({"driver-missing",
                      Verdict::kFail,
                      "the image needs CUDA, and none of the host's GPUs can be asked for",
                      {need_evidence(question), {"host", "GPUs: " + host.gpu_count.evidence}},
                      "give the node one layout of MIG (label nvidia.com/mig.config), or MIG "
                      "strategy mixed",
                      "NVIDIA k8s-device-plugin: MIG strategy single"});
    return;
  }
  if (!gpus.empty() &&
      std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return is_vgpu_without_cuda(*gpu); })) {
    checks.push_back({"driver-missing",
                      Verdict::kFail,
                      fmt::format("{} is a vGPU of series A or B, on which CUDA does not run",
                                  gpu_text(*gpus.front())),
                      {need_evidence(question), {"host", gpus.front()->name.evidence}},
                      "take a vGPU of series Q or C, or the whole GPU",
                      "NVIDIA vGPU software user guide: OpenCL and CUDA application support"});
    return;
  }
  if (!gpus.empty() &&
      std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return is_held_by_another(*gpu); })) {
    checks.push_back(held_by_another(question, gpus));
    return;
  }
  // A Jetson's GPU is on no bus where a driver could be seen.
  if (!gpus.empty() && host_driver(host) && !is_tegra(host) &&
      std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return is_held_by_none(*gpu); })) {
    if (host.nvidia.module.value == false) {
      checks.push_back(without_module(question, gpus));
      return;
    }
    checks.push_back(
        untold("driver-missing",
               fmt::format("which kernel driver holds {} is unknown", gpu_text(*gpus.front())),
               {need_evidence(question), {"host", unknown_because(gpus.front()->kernel_driver)}},
               "look for the GPU in lspci -k and dmesg on the host"));
    return;
  }
  if (!wsl && lacks_library(host)) {
    checks.push_back(without_library(question));
    return;
  }
  if (const auto driver = host_driver(host)) {
    checks.push_back({"driver-missing",
                      Verdict::kOk,
                      fmt::format("NVIDIA driver {} is there", driver->version),
                      {{"host", driver->evidence}},
                      "",
                      "the host's own facts"});
    if (!is_tegra(host)) warn_of_unheld(gpus, checks);
    return;
  }
  // Windows's driver, or a node's labels: enough for driver-cuda, not for what differs by branch.
  if (host.nvidia.cuda.value) {
    Check check = untold("driver-missing",
                         fmt::format("of the driver only its CUDA {} is known, not its version",
                                     *host.nvidia.cuda.value),
                         {need_evidence(question), {"host", host.nvidia.cuda.evidence}},
                         driver_unknown_fix(host));
    check.decisive = false;
    checks.push_back(std::move(check));
    return;
  }
  if (wsl) {
    checks.push_back(untold("driver-missing",
                            "on WSL2 the driver is Windows's, and its version is "
                            "unknown",
                            {need_evidence(question), {"host", driver_unknown_reason(host)}},
                            "nvidia-smi tells its CUDA version; put it into the profile as "
                            "nvidia.cuda"));
    return;
  }
  if (const auto cuda = driver_cuda(question); cuda && host.system.jetson.value) {
    checks.push_back({"driver-missing",
                      Verdict::kOk,
                      cuda->statement + ", and brings its driver",
                      {{"host", host.system.jetson.evidence}},
                      "",
                      cuda->source});
    return;
  }
  checks.push_back(without_driver(question, gpus));
}

void rule_driver_mismatch(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || on_wsl(question.host) == Answer::kYes) return;
  const host::Nvidia& nvidia = question.host.nvidia;
  const auto& module = nvidia.module_version;
  const auto& library = nvidia.library_version;
  if (!module.value && !library.value) return;
  // Of a half that is not there driver-missing tells.
  if (lacks_library(question.host) || (!module.value && nvidia.module.value == false)) return;
  // Jetson Linux brings both, and names its libcuda without a version.
  if (is_tegra(question.host) && !library.value && nvidia.library_path.value) return;
  const std::vector<Evidence> evidence = {
      {"host",
       fmt::format("kernel module {} ({})", module.value.value_or("unknown"), module.evidence)},
      {"host",
       fmt::format("libcuda {} ({})", library.value.value_or("unknown"), library.evidence)}};
  constexpr const char* kSource =
      "CUDA error 803: the kernel module and libcuda must be of one version";
  if (!module.value || !library.value) {
    Check check = untold(
        "driver-mismatch",
        fmt::format("whether kernel module and libcuda are of one version is unknown: {} is not "
                    "found",
                    module.value ? "libcuda" : "the kernel module"),
        evidence, driver_unknown_fix(question.host));
    check.source = kSource;
    // No launcher can give the container what was looked for and is not there.
    check.decisive = module.value && !library.evidence.empty();
    if (check.decisive)
      check.fix = "install the driver's libraries on the host (libcuda1, nvidia-driver-cuda-libs)";
    checks.push_back(std::move(check));
    return;
  }
  if (*module.value == *library.value) {
    checks.push_back({"driver-mismatch", Verdict::kOk,
                      fmt::format("kernel module and libcuda are both {}", *module.value), evidence,
                      "", kSource});
    return;
  }
  checks.push_back({"driver-mismatch", Verdict::kFail,
                    fmt::format("the kernel module is {} and libcuda {}: every CUDA program fails "
                                "with error 803",
                                *module.value, *library.value),
                    evidence, "reboot the host, or unload and load the kernel module again",
                    kSource});
}

}  // namespace flense::compat
