#include "lint/facts/cuda_base.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

const StageView* final_base(const FileView& view) {
  for (const StageView& stage : view.stages)
    if (stage.final && stage.own_base) return &stage;
  return nullptr;
}

std::string cuda_tag(const knowledge::Images& images, const knowledge::CudaImageRow& row,
                     std::string_view flavour, std::string_view distribution, bool cudnn) {
  std::string out = "nvidia/cuda:" + row.cuda;
  if (cudnn) {
    if (row.cudnn.empty() || row.cudnn == "none") return "CUDA " + row.cuda;
    out += "-" + row.cudnn;
  }
  out += "-" + std::string(flavour.empty() ? "base" : flavour);
  const auto* base = images.cuda_distribution(distribution);
  const bool fits =
      base != nullptr && (base->first.empty() || compare_versions(row.cuda, base->first) >= 0) &&
      (base->last.empty() || compare_versions(major_minor(row.cuda), base->last) <= 0);
  if (fits) return out + "-" + std::string(distribution);
  return out + (compare_versions(row.cuda, "11.7.0") >= 0 ? "-ubuntu22.04" : "-ubuntu20.04");
}

bool cuda_tag_known(const knowledge::Images& images, const GpuImage& image) {
  if (!image.official || image.repository != "nvidia/cuda" || !image.cuda.known()) return true;
  const auto* newest = images.newest_cuda();
  // A release that came after the table.
  if (newest != nullptr && compare_versions(image.cuda.value, newest->cuda) > 0) return true;
  if (images.cuda_version(image.cuda.value) != nullptr ||
      compare_versions(image.cuda.value, "11.0.3") < 0)
    return true;
  // Recent minors may have updates that the table does not know yet.
  return std::ranges::count(image.cuda.value, '.') > 1 &&
         compare_versions(image.cuda.value, "12.6") >= 0 &&
         std::ranges::any_of(images.cuda, [&](const knowledge::CudaImageRow& other) {
           return major_minor(other.cuda) == major_minor(image.cuda.value);
         });
}

namespace {

bool uses_system_cuda(const PackageList& list) {
  constexpr auto kUsers = std::to_array<std::string_view>(
      {"tensorflow", "onnxruntime-gpu", "fastembed-gpu", "tensorrt", "pycuda", "cudf",
       "ctranslate2", "faster-whisper", "whisperx", "whisper-ctranslate2", "argostranslate",
       "libretranslate", "paddlepaddle-gpu", "nvidia-dali"});
  return std::ranges::any_of(list.packages, [&](const PackageRequest& request) {
    return std::ranges::find(kUsers, request.name) != kUsers.end() ||
           request.name.starts_with("cupy") || request.name.starts_with("dgl") ||
           request.name.starts_with("nvidia-dali") ||
           (request.name.starts_with("jax") && request.extras != std::vector<std::string>{});
  });
}

/// A virtual environment or its packages, whole.
bool copies_wheels(const Instruction& copy) {
  for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
    const std::string& source = copy.words[at].text;
    if (!source.contains("site-packages") && !source.contains("dist-packages") &&
        !source.contains("venv"))
      return false;
  }
  return copy.words.size() > 1;
}

}  // namespace

std::optional<UnusedCuda> unused_cuda_of(const FileView& view) {
  const StageView* base = final_base(view);
  if (base == nullptr || base->image.repository != "nvidia/cuda" ||
      base->image.flavour.value != "runtime")
    return std::nullopt;
  const std::size_t last = view.stages.size() - 1;
  UnusedCuda out;
  bool torch = false, system = false;
  const auto take = [&](std::size_t stage) {
    for (const Install* install : view.installs_in(stage)) {
      // An extra by a variable may be another one in another build.
      if (view.text(install->command.span).contains('$'))
        for (const ProjectFile* file : install->files)
          system = system || uses_system_cuda(*file->packages);
      for (const PackageList* list : lists_of(*install)) {
        system = system || uses_system_cuda(*list);
        if (list->manager == PackageManager::kConda) continue;
        for (const Framework& one : frameworks_of(*list, view.project->knowledge->frameworks))
          if (one.package == "torch" && one.variant.value != "cpu") {
            torch = true;
            out.variant = one.variant.value;
          }
      }
    }
  };
  take(last);
  for (const std::size_t one : view.dockerfile->lineage(last))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions) {
      const auto from = view.dockerfile->copied_from(copy);
      if (!from || *from >= view.stages.size()) continue;
      const GpuImage& image = view.stages[*from].image;
      if (copies_wheels(copy)) take(*from);
      // What another stage compiled, or an image of the project holds, may be linked against the
      // libraries of this base.
      // An image of Docker's own library (node, golang, python) and uv's hold no CUDA programs.
      else if (image.vendor.known() || image.repository.empty() ||
               (image.repository.contains('/') && !image.repository.starts_with("library/") &&
                !image.repository.ends_with("astral-sh/uv")))
        return std::nullopt;
    }
  if (system || !torch) return std::nullopt;
  const knowledge::Images& images = view.project->knowledge->images;
  const auto* row = images.cuda_version(base->image.cuda.value);
  if (row == nullptr || !row->state.empty())
    if (const auto* near = images.cuda_near(base->image.cuda.value)) row = near;
  out.instead = row == nullptr
                    ? fmt::format("nvidia/cuda:{}-base-{}", base->image.cuda.value,
                                  base->image.distribution.value)
                    : cuda_tag(images, *row, "base", base->image.distribution.value, false);
  return out;
}

}  // namespace flense::lint
