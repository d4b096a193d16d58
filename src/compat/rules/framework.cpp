// Does the framework use a GPU, and does its build support this one?
#include <algorithm>
#include <array>
#include <set>

#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"
#include "device/target.h"

namespace flense::compat {

namespace {

using inventory::InstalledPackage;
using knowledge::FrameworkBuild;
using needs::CodeFile;
using needs::Needs;

/// A file with device code that is not a CUDA or ROCm library: something else computes on a GPU.
const CodeFile* other_gpu_code(const Needs& image, const std::string& own) {
  constexpr std::array<std::string_view, 9> kVendors = {
      "libcu", "libnv", "libnpp", "libnccl", "libroc", "librccl", "libhip", "libMIOpen", "libamd"};
  for (const CodeFile& file : image.code) {
    const std::string_view name = base_name(file.path);
    if (!own.empty() && file.path.contains(own)) continue;
    if (std::ranges::none_of(kVendors,
                             [&](std::string_view prefix) { return name.starts_with(prefix); }))
      return &file;
  }
  return nullptr;
}

struct CpuOnly {
  std::string name, evidence, fix, source;
  bool aside = false;
  std::string own = {};  ///< folder of its device code, which it has and does not use
  std::string_view effect = "computes on the processor only";
};

/// What is left of two distributions of one module; null where they hold different ones.
const knowledge::VariantSetRow* one_module(const knowledge::Frameworks& frameworks,
                                           const std::string& gpu, const std::string& other) {
  const auto at = std::ranges::find_if(frameworks.variants, [&](const auto& row) {
    return std::ranges::find(row.packages, gpu) != row.packages.end() &&
           std::ranges::find(row.packages, other) != row.packages.end();
  });
  return at == frameworks.variants.end() ? nullptr : &*at;
}

/// Its wheels open CUDA's libraries at run time, and go on without a GPU where they are not there.
void judge_tensorflow(const Question& question, std::vector<CpuOnly>& out) {
  const Packages& packages = question.facts->packages;
  const InstalledPackage* installed = find_package(packages, "tensorflow");
  if (installed == nullptr || !is_published_wheel(question.image, *installed)) return;
  const auto* row = question.tables.frameworks.cuda_of("tensorflow", installed->package.version);
  // Without a container the machine's own CUDA is there too.
  if (row == nullptr || question.launcher == Launcher::kNone ||
      !question.facts->rocm_evidence.empty() ||
      has_package_like(packages, {"nvidia-cuda-runtime", "nvidia-cublas"}))
    return;
  for (const inventory::Runtime& runtime : question.image.runtimes)
    if (runtime.name == "CUDA runtime" || runtime.name == "cuBLAS" ||
        runtime.name == "CUDA toolkit")
      return;
  out.push_back({"tensorflow " + installed->package.version,
                 describe(*installed) + ", and no CUDA libraries", "install tensorflow[and-cuda]",
                 row->source, false, "/tensorflow/"});
}

std::vector<CpuOnly> cpu_only_frameworks(const Question& question) {
  const Packages& packages = question.facts->packages;
  std::vector<CpuOnly> out;
  for (const knowledge::CpuOnlyRow& row : question.tables.frameworks.cpu_only) {
    const InstalledPackage* installed = find_package(packages, row.package);
    if (installed == nullptr) continue;
    const std::string local = knowledge::local_version(installed->package.version);
    if (!row.suffix.empty() && !local.starts_with(row.suffix)) continue;
    // The GPU build is a separate package, installed in addition.
    if (const auto* gpu = find_package(packages, row.package + "-gpu"); gpu != nullptr) {
      const auto* set = one_module(question.tables.frameworks, row.package + "-gpu", row.package);
      if (set != nullptr)
        out.push_back({fmt::format("{} beside {}", row.package, gpu->package.name),
                       fmt::format("{}; {}: {}", describe(*installed), describe(*gpu), set->effect),
                       fmt::format("uninstall both, then install {} alone", gpu->package.name),
                       set->source, true});
      continue;
    }
    out.push_back({fmt::format("{} {}", row.package, installed->package.version),
                   describe(*installed), row.fix, row.source, row.aside});
  }
  judge_tensorflow(question, out);
  const InstalledPackage* jax = find_package(packages, "jax");
  const InstalledPackage* jaxlib = find_package(packages, "jaxlib");
  if (jax != nullptr && !has_package_like(packages, {"jax-cuda", "jax-rocm", "jax-metal"}) &&
      (jaxlib == nullptr || knowledge::local_version(jaxlib->package.version).empty()))
    out.push_back({"jax " + jax->package.version,
                   describe(*jax) + ", and no jax-cuda or jax-rocm plugin",
                   "install jax[cuda12] or jax[cuda13]", "JAX installation guide"});
  const bool xla = std::ranges::any_of(question.image.code, [](const needs::CodeFile& file) {
    return file.path.ends_with("/xla_cuda_plugin.so");
  });
  for (const std::string_view cuda : {"jax-cuda12", "jax-cuda13"})
    if (const auto* plugin = find_package(packages, fmt::format("{}-plugin", cuda));
        plugin != nullptr && find_package(packages, fmt::format("{}-pjrt", cuda)) == nullptr &&
        question.image.contents && !xla)
      out.push_back(
          {fmt::format("{} without {}-pjrt", plugin->package.name, cuda),
           describe(*plugin) + ", and no plug-in of PJRT, which holds XLA's code for CUDA",
           fmt::format("install jax[{}]", cuda.substr(4)), "JAX installation guide"});
  const auto& torch = question.facts->torch;
  const bool xpu = torch && knowledge::local_version(torch->version) == "xpu";
  // Wheels with CUDA depend on its runtime: with one of those, code was merely not found.
  if (torch && torch->variant.empty() && question.image.code.empty() &&
      question.facts->rocm_evidence.empty() &&
      !has_package_like(packages, {"nvidia-cuda-runtime", "nvidia-cublas"}))
    out.push_back({"torch " + torch->version, torch->evidence + ", and no device code in any file",
                   "install the wheel of a CUDA or ROCm variant", "device code of the image"});
  if (xpu && !out.empty() && out.back().name.starts_with("torch "))
    out.back().effect = "is built for Intel's GPUs";
  return out;
}

enum class Cover { kCode, kPtx, kNone };

Cover cover(const FrameworkBuild& build, const std::string& architecture) {
  if (const auto gfx = device::parse_amd_arch(architecture))
    return std::ranges::find(build.gfx, *gfx) != build.gfx.end() ? Cover::kCode : Cover::kNone;
  const auto gpu = device::parse_cuda_arch(architecture);
  if (!gpu) return Cover::kNone;
  for (const std::string& text : build.cubin)
    if (const auto code = code_arch(text); code && device::cubin_runs_on(*code, *gpu))
      return Cover::kCode;
  for (const std::string& text : build.ptx)
    if (const auto code = code_arch(text); code && device::ptx_compiles_for(*code, *gpu))
      return Cover::kPtx;
  return Cover::kNone;
}

Check build_check(const TorchBuild& torch) {
  Check out;
  out.id = "framework-build";
  out.decisive = false;  // the device-code check reports that the code itself was not read
  out.evidence.push_back({"image", torch.evidence});
  if (!torch.assumed.empty()) out.evidence.push_back({"image", torch.assumed});
  return out;
}

void judge_gpus(const Question& question, const TorchBuild& torch, const FrameworkBuild& build,
                std::vector<Check>& checks) {
  const bool amd = torch.variant.starts_with("rocm");
  std::set<std::string> seen;
  for (const host::Gpu* gpu : gpus_of(question.host, amd ? "amd" : "nvidia")) {
    Check check = build_check(torch);
    check.source = build.source;
    if (!gpu->architecture.value) {
      check.verdict = Verdict::kUnknown;
      check.message = fmt::format("the architecture of {} is unknown", gpu_text(*gpu));
      check.evidence.push_back({"host", unknown_because(gpu->architecture)});
      check.fix = "name the GPU's product or architecture, as in --host h100@550.54.15";
      checks.push_back(std::move(check));
      continue;
    }
    if (!seen.insert(*gpu->architecture.value).second) continue;
    check.evidence.push_back({"host", gpu_text(*gpu)});
    check.evidence.push_back(
        {"table", fmt::format("torch {} {} has code for {}", torch.version, torch.variant,
                              fmt::join(amd ? build.gfx : build.cubin, ", "))});
    switch (cover(build, *gpu->architecture.value)) {
      case Cover::kCode:
        check.message =
            fmt::format("the published torch {} has code for {}", torch.version, gpu_text(*gpu));
        break;
      case Cover::kPtx:
        check.verdict = Verdict::kWarn;
        check.message = fmt::format(
            "the published torch {} has only PTX for {}, which the driver "
            "compiles at the first start",
            torch.version, gpu_text(*gpu));
        check.fix = "install a newer torch, or keep the compute cache (~/.nv) between runs";
        break;
      case Cover::kNone:
        check.verdict = build.confidence == "low" ? Verdict::kUnknown : Verdict::kFail;
        check.message = fmt::format("the published torch {} {} has no code for {}", torch.version,
                                    torch.variant, gpu_text(*gpu));
        check.fix = "install the variant of torch whose architectures cover the GPU";
        break;
    }
    checks.push_back(std::move(check));
  }
}

void judge_libc(const Question& question, const TorchBuild& torch, std::vector<Check>& checks) {
  const auto* row = question.tables.frameworks.libc_of("torch", torch.version, torch.variant);
  const Needs& image = question.image;
  if (row == nullptr || image.libc != "glibc" || image.libc_version.empty()) return;
  if (version_at_least(image.libc_version, row->glibc)) return;
  Check check = build_check(torch);
  check.verdict = Verdict::kFail;
  check.message = fmt::format("the published torch {} needs glibc {}, and the image has {}",
                              torch.version, row->glibc, image.libc_version);
  check.fix = "use an image of a newer distribution, or an older torch";
  check.source = row->source;
  checks.push_back(std::move(check));
}

}  // namespace

void rule_framework_cpu_only(const Question& question, std::vector<Check>& checks) {
  if (question.host.gpus.empty() || !question.image.contents) return;
  for (const CpuOnly& framework : cpu_only_frameworks(question)) {
    Check check;
    check.id = "framework-cpu-only";
    check.evidence = {{"image", framework.evidence}};
    const CodeFile* other = other_gpu_code(question.image, framework.own);
    if (other != nullptr)
      check.evidence.push_back({"image", "device code of other software: " + other->path});
    const bool mild = framework.aside || other != nullptr;
    check.verdict = mild ? Verdict::kWarn : Verdict::kFail;
    check.message = fmt::format("{} {}", framework.name, framework.effect);
    check.evidence.push_back(
        {"host", fmt::format("{} GPUs that it will not use", question.host.gpus.size())});
    check.fix = framework.fix;
    check.source = framework.source;
    checks.push_back(std::move(check));
  }
}

void rule_framework_build(const Question& question, std::vector<Check>& checks) {
  // What the files contain beats what a table says about them.
  if (question.image.contents || question.host.gpus.empty()) return;
  const auto& torch = question.facts->torch;
  if (!torch) return;
  judge_libc(question, *torch, checks);
  // NVIDIA's own images carry their own builds ("2.5.0a0+872d972e41").
  const bool own = torch->version.find("a0") != std::string::npos ||
                   question.image.environment.contains("NVIDIA_PYTORCH_VERSION");
  const FrameworkBuild* build =
      own ? nullptr
          : question.tables.frameworks.build("torch", torch->version, torch->variant,
                                             architecture_of(question.image.platform));
  if (!torch->variant.empty() && build != nullptr) {
    judge_gpus(question, *torch, *build, checks);
    return;
  }
  Check check = build_check(*torch);
  check.verdict = Verdict::kUnknown;
  check.message =
      own ? fmt::format("torch {} is a build of NVIDIA's own, not one of the table", torch->version)
      : torch->variant.empty()
          ? fmt::format("nothing tells which variant of torch {} the image has", torch->version)
          : fmt::format("the table has no build torch {} {}", torch->version, torch->variant);
  check.fix = "check the image with its layers read (without --config-only)";
  check.source =
      fmt::format("framework_builds.json ({})", question.tables.tables.state("framework_builds"));
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
