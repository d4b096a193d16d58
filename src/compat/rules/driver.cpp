// The host's driver: is it there, is it complete, and does it support the image's CUDA?
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/facts/driver_mode.h"
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

Check unknown(std::string id, std::string message, std::vector<Evidence> evidence,
              std::string fix) {
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
  return unknown("driver-missing", "which driver the host has is unknown", evidence,
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

std::string native_fix(const Question& question, const ImageCuda& wanted) {
  const knowledge::Drivers& drivers = question.tables.drivers;
  if (on_wsl(question.host) == Answer::kYes)
    return fmt::format(
        "update Windows's driver to one of CUDA {} or newer (nvidia-smi shows it), or take an "
        "image built for an older CUDA",
        major_minor(wanted.version));
  const std::string minor = major_minor(wanted.version);
  if (const auto own = driver_cuda(question); own && is_tegra(question.host))
    return fmt::format(
        "its driver comes with Jetson Linux: install a JetPack of CUDA {} or newer, or take an "
        "image built for CUDA {} or older",
        minor, own->cuda);
  const knowledge::ToolkitRow* row = drivers.toolkit(minor);
  const auto major = first_number(minor);
  const knowledge::MinorVersionRow* floor = major ? drivers.minor_version(*major) : nullptr;
  // Who is above the floor of the major wants the driver of the toolkit.
  const auto driver = host_driver(question.host);
  const bool above =
      floor == nullptr || (driver && version_at_least(driver->version, floor->driver));
  if (row == nullptr && above)
    return fmt::format("take a driver that supports CUDA {}, or an image built for an older CUDA",
                       minor);
  const std::string& least = above ? row->driver : floor->driver;
  if (const auto* ended = ended_before(question, first_number(least).value_or(0))) {
    const knowledge::BranchRow* last = drivers.branch(ended->last_driver_branch);
    return fmt::format(
        "no driver after branch {} drives {}: take an image built for CUDA {} or older, or another "
        "GPU",
        ended->last_driver_branch, ended->codename,
        last == nullptr ? ended->last_cuda : last->cuda);
  }
  // A major alone, as a SONAME tells, asks for the least that its cubins run on.
  if (row == nullptr || above || floor->driver == row->driver)
    return fmt::format("update the driver to {} or newer, or take an image built for an older CUDA",
                       least);
  return fmt::format(
      "update the driver to {} or newer ({} for cubins alone), or take an image "
      "built for an older CUDA",
      row->driver, floor->driver);
}

/// Said where the image is newer than every toolkit of the table.
std::string newness(const Question& question, const ImageCuda& wanted) {
  const knowledge::ToolkitRow* newest = question.tables.drivers.newest_toolkit();
  if (newest == nullptr || version_at_least(newest->cuda, major_minor(wanted.version))) return {};
  return fmt::format(" (CUDA {} is {})", major_minor(wanted.version),
                     newer_than_table(question.tables.drivers.date));
}

/// Compilers that may hand PTX to the driver: those that use NVRTC or NVVM. Triton, torch.compile
/// and what starts nvcc have a ptxas, and hand over machine code.
std::string ptx_compilers(const needs::Needs& image) {
  constexpr std::array<std::string_view, 11> kWithoutPtxas = {
      "NVRTC",         "Numba",         "cuda-core",        "cuda-cccl",
      "cuda-parallel", "nvmath-python", "cuda-cooperative", "transformer-engine",
      "pynvrtc",       "pykeops",       "keopscore"};
  std::vector<std::string> names;
  for (const needs::RunTimeCompiler& compiler : image.compilers)
    if (std::ranges::find(kWithoutPtxas, compiler.name) != kWithoutPtxas.end() ||
        // cupy/cuda/compiler.py: cubins, unless it is told otherwise.
        (compiler.name == "CuPy" && is_on(image, "CUPY_COMPILE_WITH_PTX")))
      names.push_back(compiler.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void set_minor_version(const Question& question, const ImageCuda& wanted, const DriverCuda& cuda,
                       Check& check) {
  const auto major = first_number(wanted.version).value_or(0);
  const knowledge::MinorVersionRow* row = question.tables.drivers.minor_version(major);
  const std::string minor = major_minor(wanted.version);
  check.source =
      row != nullptr ? row->source : "NVIDIA CUDA Compatibility guide: within one major from 11 on";
  check.message = fmt::format(
      "CUDA {} runs {}in minor-version mode{}: {}, so cubins load, and PTX newer than the driver, "
      "NVRTC's too, does not",
      minor, minor.find('.') == std::string::npos ? "at least " : "", newness(question, wanted),
      cuda.statement);
  if (row != nullptr)
    check.evidence.push_back(
        {"table", fmt::format("minimum driver {} for CUDA {}.x", row->driver, row->cuda_major)});
  const std::string compilers = ptx_compilers(question.image);
  if (compilers.empty()) return;
  check.verdict = Verdict::kWarn;
  check.message = fmt::format(
      "CUDA {} runs in minor-version mode, in which the driver refuses PTX that {} may make at "
      "run time (error 222)",
      minor, compilers);
  check.evidence.push_back({"image", "compiles at run time: " + compilers});
  check.fix =
      "let NVRTC make cubins (--gpu-architecture=sm_XX), or " + native_fix(question, wanted);
}

void set_too_old(const Question& question, const ImageCuda& wanted, const DriverCuda& cuda,
                 Check& check) {
  const std::string minor = major_minor(wanted.version);
  check.source = cuda.source;
  if (compat_use(question).state != CompatUse::State::kNone) {
    // One problem, one finding: the package is judged by forward-compat.
    check.message = fmt::format("CUDA {} needs the image's compat library{}: {}", minor,
                                newness(question, wanted), cuda.statement);
    return;
  }
  check.verdict = Verdict::kFail;
  check.message = fmt::format(
      "the driver is too old for CUDA {}{}: {}, and the image has no compat "
      "library",
      minor, newness(question, wanted), cuda.statement);
  check.fix = native_fix(question, wanted);
}

Check judged(const Question& question, const ImageCuda& wanted, const DriverCuda& cuda) {
  const auto driver = host_driver(question.host);
  Check check{"driver-cuda", Verdict::kOk, "", {}, "", cuda.source};
  check.evidence = {{"image", fmt::format("CUDA {}{}: {}", wanted.exact ? "" : "at least ",
                                          wanted.version, wanted.evidence)},
                    {"host", driver ? driver->evidence : cuda.statement}};
  switch (driver_mode(question)) {
    case DriverMode::kNative:
      check.message =
          fmt::format("CUDA {} runs natively: {}", major_minor(wanted.version), cuda.statement);
      break;
    case DriverMode::kMinorVersion:
      set_minor_version(question, wanted, cuda, check);
      break;
    case DriverMode::kTooOld:
      set_too_old(question, wanted, cuda, check);
      break;
    case DriverMode::kUnknown:
      check.verdict = Verdict::kUnknown;
      check.message =
          fmt::format("whether the driver supports CUDA {} is unknown{}: {}",
                      major_minor(wanted.version), newness(question, wanted), cuda.statement);
      check.fix = "add the driver's row to a table of your own (--data), or ask nvidia-smi there";
      break;
  }
  // A lower bound can rule out; it cannot confirm.
  if (!wanted.exact && check.verdict < Verdict::kUnknown) {
    check.verdict = Verdict::kUnknown;
    check.decisive = false;
    check.message = fmt::format(
        "the device code is of CUDA {} or newer, and nothing in the image "
        "tells which; {}",
        wanted.version, cuda.statement);
    check.fix = "label the image with its CUDA version, or keep libcudart a library of its own";
  }
  return check;
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
      checks.push_back(unknown("driver-missing", "which GPUs the host has is unknown",
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
  if (const auto driver = host_driver(host)) {
    checks.push_back({"driver-missing",
                      Verdict::kOk,
                      fmt::format("NVIDIA driver {} is there", driver->version),
                      {{"host", driver->evidence}},
                      "",
                      "the host's own facts"});
    return;
  }
  // Windows's driver, or a node's labels: enough for driver-cuda, not for what differs by branch.
  if (host.nvidia.cuda.value) {
    Check check = unknown("driver-missing",
                          fmt::format("of the driver only its CUDA {} is known, not its version",
                                      *host.nvidia.cuda.value),
                          {need_evidence(question), {"host", host.nvidia.cuda.evidence}},
                          driver_unknown_fix(host));
    check.decisive = false;
    checks.push_back(std::move(check));
    return;
  }
  if (wsl) {
    checks.push_back(unknown("driver-missing",
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
    Check check = unknown(
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

void rule_driver_cuda(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question)) return;
  const auto wanted = image_cuda(question);
  const auto cuda = driver_cuda(question);
  const Evidence host_side = {
      "host", cuda ? cuda->statement : "driver: " + driver_unknown_reason(question.host)};
  if (!wanted) {
    const bool read = question.image.contents;
    Check check = unknown(
        "driver-cuda",
        read ? "which CUDA the image was built for is unknown"
             : "the layers were not read, and the configuration names no CUDA version",
        {{"image", read ? "no CUDA runtime, package or variable" : unread_reason(question.image)},
         host_side},
        read ? "set CUDA_VERSION in the image"
             : "let flense read the layers: without --config-only");
    check.decisive = !read;
    checks.push_back(std::move(check));
    return;
  }
  if (!cuda) {
    checks.push_back(
        unknown("driver-cuda",
                fmt::format("the image brings CUDA {}, and what the driver supports is unknown",
                            major_minor(wanted->version)),
                {{"image", wanted->evidence}, host_side}, driver_unknown_fix(question.host)));
    return;
  }
  checks.push_back(judged(question, *wanted, *cuda));
}

void rule_driver_branch_ended(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || is_tegra(question.host)) return;
  const auto driver = host_driver(question.host);
  const knowledge::Drivers& drivers = question.tables.drivers;
  const knowledge::BranchRow* row = driver ? drivers.branch(driver->branch) : nullptr;
  if (row == nullptr || row == drivers.newest_branch()) return;
  // The table's own date counts as today: a verdict does not change with the clock.
  const bool dated = !row->end.empty();
  const bool follows = row->type != "GA" && row->type != "PB" && !row->type.starts_with("LTSB");
  if (dated ? row->end >= drivers.date : !follows) return;
  const auto* ended = ended_before(question, row->branch + 1);
  checks.push_back(
      {"driver-branch-ended",
       Verdict::kWarn,
       dated ? fmt::format("driver branch {} gets no fixes since {}", row->branch, row->end)
             : fmt::format("driver branch {} ended when the next one came", row->branch),
       {{"host", driver->evidence}, {"table", row->source}},
       ended != nullptr && ended->last_driver_branch < row->branch
           ? fmt::format("install a driver of branch {}, the last for {}",
                         ended->last_driver_branch, ended->codename)
       : ended != nullptr
           ? fmt::format("no newer branch drives {}: plan for another GPU", ended->codename)
           : "plan for a branch with support: long-term (LTSB) or production (PB)",
       row->source});
}

}  // namespace flense::compat
