// The final image against the hosts that the user names (--host): the driver that its CUDA needs,
// and whether its builds contain code for the GPUs.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/own_images.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

/// Whether the image itself says that a driver of its CUDA's major suffices.
bool says_minor_version(const FileView& view) {
  for (const Instruction& one : view.stages.back().stage->instructions)
    if (one.keyword == Keyword::kLabel)
      for (const KeyValue& pair : one.pairs)
        if (pair.key.text == "dev.flense.requires.driver-minor") return true;
  return false;
}

/// What decides the CUDA of the final image: the last torch wheel, else the base.
struct Deciding {
  const ProjectFile* file = nullptr;
  Span span;
  std::string what;  ///< "torch 2.6.0 (cu124)", "nvidia/cuda:12.4.1-…"
  std::string cuda, evidence;
  bool amd = false;            ///< it is for AMD's GPUs
  bool minor_version = false;  ///< the image says that it may run so
  Framework torch;             ///< with an empty package: the base decides
};

std::optional<Deciding> deciding_of(const FileView& view) {
  const StageView& last = view.stages.back();
  Deciding out;
  for (const Install* install : view.installs_in(last.index))
    for (const PackageList* list : lists_of(*install))
      for (Framework& one : frameworks_of(*list, view.project->knowledge->frameworks)) {
        if (one.package != "torch" || !one.variant.known() || one.variant.value == "cpu") continue;
        out.file = &file_of(*install, *list, *view.file);
        out.span = one.request->span;
        out.what = fmt::format("torch {} ({})", one.version, one.variant.value);
        out.cuda = knowledge::cuda_of_variant(one.variant.value);
        out.evidence = one.variant.evidence;
        out.amd = one.variant.value.starts_with("rocm");
        out.torch = std::move(one);
      }
  if (out.file != nullptr) return out;
  if (!last.image.cuda.known() && !last.image.rocm.known()) return std::nullopt;
  for (const StageView& stage : view.stages)
    if (stage.final && stage.own_base) {
      out.file = view.file;
      out.span = stage.stage->base.span;
    }
  if (out.file == nullptr) return std::nullopt;
  out.amd = !last.image.cuda.known();
  out.cuda = last.image.cuda.value;
  out.evidence = (out.amd ? last.image.rocm : last.image.cuda).evidence;
  out.what = last.image.repository + " of " +
             (out.amd ? "ROCm " + last.image.rocm.value : "CUDA " + out.cuda);
  return out;
}

std::string driver_of(const host::Profile& profile) {
  for (const host::Text* fact : {&profile.nvidia.module_version, &profile.nvidia.library_version})
    if (fact->value) return *fact->value;
  return {};
}

void judge_driver(const knowledge::Knowledge& tables, const GpuImage& image,
                  const host::Profile& profile, const Deciding& deciding, FindingSink& sink) {
  const std::string driver = driver_of(profile);
  const auto major = first_number(deciding.cuda);
  if (driver.empty() || !major) return;
  const auto* row = tables.drivers.minor_version(*major);
  if (row == nullptr) return;
  if (compare_versions(driver, row->driver) >= 0) {
    const std::string own = tables.drivers.floor_for_cuda(major_minor(deciding.cuda));
    const auto* branch = tables.drivers.branch(first_number(driver).value_or(0));
    if (deciding.minor_version || own.empty() || branch == nullptr ||
        compare_versions(driver, own) >= 0)
      return;
    Finding& found = sink.add(
        "host-minor-version", *deciding.file, deciding.span,
        fmt::format("{} runs on {} with driver {}, which is of CUDA {}, in minor-version mode: PTX "
                    "of CUDA {} is not compiled there",
                    deciding.what, profile.source, driver, branch->cuda,
                    major_minor(deciding.cuda)));
    found.evidence = {deciding.evidence, row->source, branch->source};
    found.fix = fmt::format(
        "ship device code for the GPU itself, as torch's wheels do; where kernels are compiled at "
        "run time (nvrtc, Triton, Numba), update the driver to {}",
        own);
    return;
  }
  // nvidia/cuda and NGC images hold a compat package, which data-centre GPUs may use.
  const bool compat = image.repository == "nvidia/cuda" || !image.release.empty();
  Finding& found = sink.add("host-driver-too-old", *deciding.file, deciding.span,
                            fmt::format("{} needs driver {} or newer, and {} has {}", deciding.what,
                                        row->driver, profile.source, driver));
  found.evidence = {deciding.evidence, row->source};
  if (compat) {
    found.severity = Severity::kWarning;
    found.evidence.emplace_back(
        "the base holds a cuda-compat package: it serves data-centre GPUs with an older driver");
  }
  std::string newest;
  if (const auto* branch = tables.drivers.branch(first_number(driver).value_or(0)))
    newest = branch->cuda;
  found.fix = newest.empty()
                  ? fmt::format("update the driver to {}", row->driver)
                  : fmt::format(
                        "take a build for CUDA {}.x, which driver {} runs, or update the "
                        "driver to {}",
                        first_number(newest).value_or(0), driver, row->driver);
}

/// "9.0" as {9, 0}; a letter behind is passed over.
std::pair<std::uint64_t, std::uint64_t> capability(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == text.npos) return {0, 0};
  return {first_number(text.substr(0, dot)).value_or(0),
          first_number(text.substr(dot + 1)).value_or(0)};
}

bool runs(const knowledge::FrameworkBuild& build, std::string_view gpu) {
  if (gpu.starts_with("gfx")) {
    const std::string_view plain = gpu.substr(0, gpu.find(':'));
    return std::ranges::find(build.gfx, plain) != build.gfx.end();
  }
  const auto wanted = capability(gpu);
  for (const std::string& cubin : build.cubin) {
    const auto has = capability(cubin);
    const bool exact = cubin.ends_with('a');
    if (exact ? has == wanted : has.first == wanted.first && has.second <= wanted.second)
      return true;
  }
  return std::ranges::any_of(build.ptx,
                             [&](const std::string& ptx) { return capability(ptx) <= wanted; });
}

void judge_gpu(const knowledge::Knowledge& tables, const host::Profile& profile,
               const Deciding& deciding, FindingSink& sink) {
  std::vector<std::string> said;
  for (const host::Gpu& gpu : profile.gpus) {
    if (!gpu.architecture.value) continue;
    const std::string& architecture = *gpu.architecture.value;
    if (std::ranges::find(said, architecture) != said.end()) continue;
    said.push_back(architecture);
    std::string message, evidence;
    const bool amd_gpu = architecture.starts_with("gfx");
    if (amd_gpu != deciding.amd) {
      message = fmt::format("{} is for {} GPUs, and {} has {}", deciding.what,
                            deciding.amd ? "AMD" : "NVIDIA", profile.source,
                            gpu.name.value ? *gpu.name.value : architecture);
      evidence = "--host " + profile.source;
    } else if (!deciding.torch.package.empty()) {
      if (deciding.torch.version.empty()) continue;
      const std::string platform =
          profile.system.architecture.value.value_or("x86_64") == "aarch64" ? "arm64" : "amd64";
      const auto* build = tables.frameworks.build("torch", deciding.torch.version,
                                                  deciding.torch.variant.value, platform);
      if (build == nullptr || build->confidence == "low" || runs(*build, architecture)) continue;
      message = fmt::format(
          "{} holds no code for {}, the GPU of {}: \"no kernel image is "
          "available\"",
          deciding.what, architecture, profile.source);
      evidence = build->source;
    } else {
      const auto* row = tables.architectures.find(architecture);
      if (row == nullptr || amd_gpu) continue;
      const std::string cuda = major_minor(deciding.cuda);
      if (!row->last_cuda.empty() && compare_versions(cuda, row->last_cuda) > 0)
        message = fmt::format(
            "CUDA {} no longer holds code for {} ({}), the GPU of {}; {} was the "
            "last that did",
            cuda, architecture, row->codename, profile.source, row->last_cuda);
      else if (!row->first_cuda.empty() && compare_versions(cuda, row->first_cuda) < 0)
        message = fmt::format(
            "CUDA {} holds no code for {} ({}), the GPU of {}; {} was the first "
            "that did",
            cuda, architecture, row->codename, profile.source, row->first_cuda);
      else
        continue;
      evidence = row->source;
    }
    Finding& found =
        sink.add("host-gpu-unsupported", *deciding.file, deciding.span, std::move(message));
    found.evidence = {std::move(evidence), deciding.evidence};
  }
}

}  // namespace

void judge_host(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  if (project.hosts.empty()) return;
  for (const FileView& view : views) {
    auto deciding = deciding_of(view);
    if (!deciding) continue;
    deciding->minor_version = says_minor_version(view);
    for (const host::Profile& profile : project.hosts) {
      judge_driver(*project.knowledge, view.stages.back().image, profile, *deciding, sink);
      judge_gpu(*project.knowledge, profile, *deciding, sink);
    }
  }
  const BuiltNames own(project);
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads) {
      if (!workload.image_name || workload.build_context || workload.image.span.empty() ||
          own.contains(*workload.image_name))
        continue;
      const GpuImage image = describe_image(*workload.image_name, project.knowledge->images);
      if (!image.cuda.known() && !image.rocm.known()) continue;
      Deciding deciding;
      deciding.file = file.get();
      deciding.span = workload.image.span;
      deciding.amd = !image.cuda.known();
      deciding.cuda = image.cuda.value;
      deciding.evidence = (deciding.amd ? image.rocm : image.cuda).evidence;
      deciding.what = workload.image_name->familiar() + " of " +
                      (deciding.amd ? "ROCm " + image.rocm.value : "CUDA " + image.cuda.value);
      for (const host::Profile& profile : project.hosts) {
        judge_driver(*project.knowledge, image, profile, deciding, sink);
        judge_gpu(*project.knowledge, profile, deciding, sink);
      }
    }
}

}  // namespace flense::lint
