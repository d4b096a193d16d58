// Wheels that take libraries of CUDA, cuDNN, TensorRT or ROCm from the base, which has others.
#include <algorithm>
#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/torch_installs.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

/// Whether an index gives other builds than the tables say: for another CUDA than `major`.
bool is_of_other_feed(const PlacedList& place, const PackageRequest& request,
                      std::optional<std::uint64_t> major) {
  constexpr std::size_t kMost = 100;  // each package is compared with them
  std::vector<std::string_view> indexes;
  if (!request.index.empty()) indexes.emplace_back(request.index);
  for (const PackageList* list : {place.list, &place.install->command})
    for (const Word& index : list->indexes)
      if (indexes.size() < kMost) indexes.emplace_back(index.text);
  return std::ranges::any_of(indexes, [&](std::string_view url) {
    const std::uint64_t named = cuda_of_feed(url);
    return url.contains('$') || (named != 0 && named != major.value_or(0));
  });
}

/// Whether the stage installs a package of this kind.
template <typename Is>
bool installs_one(const PlacedList& place, const Is& is) {
  for (const Install* install : place.view->installs_in(place.install->stage))
    for (const PackageList* list : lists_of(*install))
      if (std::ranges::any_of(list->packages, is)) return true;
  return false;
}

/// Libraries of that CUDA by the distribution's packages: cuda-libraries-11-8.
bool installs_cuda(const PlacedList& place, std::uint64_t major) {
  const std::string part = fmt::format("-{}-", major);
  return installs_one(place, [&](const PackageRequest& request) {
    return is_of_system(request.manager) && request.name.contains(part) &&
           starts_with_any(request.name, {"cuda-", "libcu"});
  });
}

/// NVIDIA's wheel of a cuDNN, where libraries of Python find it.
bool installs_cudnn(const PlacedList& place, std::uint64_t major) {
  return installs_one(place, [&](const PackageRequest& request) {
    return request.name.starts_with("nvidia-cudnn-cu") &&
           (request.version.empty() || first_number(request.version) == major);
  });
}

/// Wheels that hold libraries of CUDA and cuDNN, which others find once Python has loaded them.
bool brings_libraries(const PlacedList& place) {
  return installs_one(place, [](const PackageRequest& request) {
    return request.name == "torch" || request.name.starts_with("nvidia-cublas") ||
           request.name.starts_with("nvidia-cuda-") ||
           std::ranges::find(request.extras, "and-cuda") != request.extras.end();
  });
}

void needed_against_base(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  if (!image.cuda.known() || image.flavour.value == "base") return;
  for (const PackageRequest& request : place.list->packages) {
    if (!request.extras.empty()) continue;
    // CuPy's wheels have the CUDA in their names, and no release decides it.
    const bool cupy = request.name.starts_with("cupy-cuda");
    const auto* row = cupy || request.version.empty()
                          ? nullptr
                          : tables_of(project).cuda_of(request.name, request.version);
    if (!cupy && row == nullptr) continue;
    const std::string cuda = cupy ? cuda_of_package(request) : row->cuda;
    const auto major = first_number(cuda), base = first_number(image.cuda.value);
    if (!major || major == base || is_of_other_feed(place, request, major) ||
        installs_cuda(place, *major))
      continue;
    Finding& found = sink.add(
        "wheel-cuda-mismatch", *place.file, request.span,
        fmt::format("{}{}{} loads CUDA {} from the system, and the base has CUDA {}", request.name,
                    request.version.empty() ? "" : " ", request.version, cuda, image.cuda.value));
    found.evidence = {
        cupy ? "CuPy documentation, Installation: a wheel for each major of CUDA" : row->source,
        image.cuda.evidence};
    // What was built for 11.2 loads the libraries of each later 11.
    const auto* near = project.knowledge->images.cuda_near(cuda);
    const bool old = near != nullptr && compare_versions(major_minor(near->cuda), cuda) > 0 &&
                     compare_versions(cuda, "11.2") >= 0;
    found.fix = fmt::format("begin with {}", base_of_cuda(old ? major_minor(near->cuda) : cuda));
    if (!cupy)
      found.fix += fmt::format(", or take a release of {} for CUDA {}", request.name, *base);
    else if (*base >= 11)
      found.fix += fmt::format(", or take cupy-cuda{}x", *base);
    found.pedantic = !is_sure(place, request) || brings_libraries(place);
  }
}

void cudnn_of_base(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  if (!image.cudnn.known()) return;
  std::map<std::uint64_t, bool> installed;  // by major, asked once
  for (const PackageRequest& request : place.list->packages) {
    if (request.version.empty()) continue;
    const auto* row = tables_of(project).cudnn_of(request.name, request.version);
    if (row == nullptr || fmt::format("{}", row->major) == image.cudnn.value) continue;
    const auto* cuda = tables_of(project).cuda_of(request.name, request.version);
    if (cuda != nullptr && is_of_other_feed(place, request, first_number(cuda->cuda))) continue;
    if (request.name != "torch") {
      const auto [at, fresh] = installed.try_emplace(row->major, false);
      if (fresh) at->second = installs_cudnn(place, row->major);
      if (at->second) continue;
    }
    const bool own = request.name == "torch" ||
                     std::ranges::find(request.extras, "and-cuda") != request.extras.end();
    Finding& found = sink.add(
        "cudnn-major-mismatch", *place.file, request.span,
        own ? fmt::format(
                  "{} {} brings cuDNN {}, and the base holds cuDNN {}: two majors, of which "
                  "LD_LIBRARY_PATH may pick the wrong one",
                  request.name, request.version, row->major, image.cudnn.value)
            : fmt::format(
                  "{} {} loads cuDNN {}, and the base holds cuDNN {}: libcudnn.so.{} is not "
                  "there",
                  request.name, request.version, row->major, image.cudnn.value, row->major));
    found.evidence = {row->source, image.cudnn.evidence};
    // Its libraries name their own.
    found.pedantic = own || !is_sure(place, request) || brings_libraries(place);
    found.fix = own ? "take a base without cuDNN"
                    : fmt::format("take a base with cuDNN {}, or a release of {} for cuDNN {}",
                                  row->major, request.name, image.cudnn.value);
  }
}

/// A tag of nvidia/cuda with the CUDA and cuDNN that a release of the package loads, its newest
/// where it is left open; empty: the tables do not tell.
std::string base_for(const Project& project, const PackageRequest& request, const GpuImage& base) {
  const knowledge::Frameworks& tables = tables_of(project);
  const knowledge::Images& images = project.knowledge->images;
  const auto find = [&](const auto& rows, const auto* given) {
    if (!request.version.empty()) return given;
    for (const auto& row : rows)
      if (row.package == request.name &&
          (given == nullptr || compare_versions(row.from, given->from) > 0))
        given = &row;
    return given;
  };
  const auto* cudnn = find(tables.cudnn, tables.cudnn_of(request.name, request.version));
  const auto* cuda = find(tables.cuda, tables.cuda_of(request.name, request.version));
  if (cudnn == nullptr) return {};
  const auto major = first_number(cuda == nullptr ? base.cuda.value : cuda->cuda);
  const auto fits = [&](const knowledge::CudaImageRow& row) {
    const bool eight = row.cudnn == "cudnn8";
    return row.state.empty() && first_number(row.cuda) == major &&
           (cudnn->major == 8 ? eight : row.cudnn == "cudnn" || row.cudnn == "cudnn9");
  };
  const knowledge::CudaImageRow* best = images.cuda_version(base.cuda.value);
  if (best == nullptr || !fits(*best)) {
    best = nullptr;
    for (const knowledge::CudaImageRow& row : images.cuda)
      if (fits(row) && (best == nullptr || compare_versions(row.cuda, best->cuda) > 0)) best = &row;
  }
  return best == nullptr ? std::string()
                         : cuda_tag(images, *best, "runtime", base.distribution.value, true);
}

/// Packages that load cuDNN from the system, and bring none.
bool loads_cudnn(const PackageRequest& request) {
  // The later ones are a message alone.
  if (request.name == "tensorflow-gpu")
    return !request.version.empty() && compare_versions(request.version, "2.12") < 0;
  if (!request.extras.empty() || !request.marker.empty()) return false;
  // Later wheels of CTranslate2 do without; faster-whisper takes the newest since 1.0.
  if (is_one_of(request.name, {"ctranslate2", "faster-whisper"}))
    return !request.version.empty() &&
           compare_versions(request.version, request.name == "ctranslate2" ? "4.6.3" : "1.0") < 0;
  return is_one_of(request.name, {"tensorflow", "onnxruntime-gpu"});
}

/// tensorflow on a base that has CUDA and no cuDNN.
void no_cudnn(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || is_of_system(place.install->command.manager)) return;
  const FileView& view = *place.view;
  const std::size_t stage = place.install->stage;
  const GpuImage& image = view.stages[stage].image;
  const Stage& root = view.dockerfile->stages[view.dockerfile->lineage(stage).back()];
  if (image.repository != "nvidia/cuda" || image.flavour.value == "devel" || !root.image ||
      root.image->tag.contains("cudnn") || !view.stages[stage].final)
    return;
  for (const PackageRequest& request : place.list->packages) {
    if (!loads_cudnn(request) || request.manager == PackageManager::kConda) continue;
    // It may come by apt, by a wheel, by conda or with files.
    if (commands_mention(view, stage, "cudnn") || commands_mention(view, stage, "tensorrt") ||
        brings_libraries(place) || installs_one(place, [](const PackageRequest& one) {
          return one.name.contains("cudnn") || one.name.starts_with("torch") ||
                 brings_torch(one.name) || one.name == "whisperx" ||
                 one.manager == PackageManager::kConda;
        }))
      return;
    Finding& found =
        sink.add("cudnn-not-in-base", *place.file, request.span,
                 fmt::format("{} loads cuDNN from the system, and nvidia/cuda:{} has none: it {}",
                             request.name, root.image->tag,
                             is_one_of(request.name, {"faster-whisper", "ctranslate2"})
                                 ? "ends with \"Unable to load any of {libcudnn_ops.so…}\""
                                 : "finds no GPU"));
    found.evidence = {fmt::format("tag {}", root.image->tag),
                      "tensorflow/tensorflow#38164, StatCan/aaw-kubeflow-containers#122"};
    std::string tag = base_for(*view.project, request, image);
    if (tag.empty())
      tag = fmt::format("nvidia/cuda:{}-cudnn…-runtime-…",
                        image.cuda.known() ? image.cuda.value : std::string("…"));
    found.fix = fmt::format("begin with {}", tag);
    // The extra came with 2.14, which is for Python 3.9 and newer.
    const bool has_extra = request.version.empty() ? !image.python.known() ||
                                                         version_at_least(image.python.value, "3.9")
                                                   : version_at_least(request.version, "2.14");
    if (request.name == "tensorflow" && has_extra)
      found.fix += ", or install tensorflow[and-cuda], which brings its own";
    else if (request.version.empty())
      found.fix += fmt::format(", and write the version of {} that is made for it", request.name);
    found.pedantic = !is_sure(place, request) || !knows_all_installs(view, stage);
    return;
  }
}

void tensorrt(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  const auto base = first_number(image.cuda.value);
  if (!base) return;
  for (const PackageRequest& request : place.list->packages) {
    if (!request.name.starts_with("tensorrt") || request.name.starts_with("tensorrt-llm")) continue;
    std::uint64_t wanted = 0;
    std::string evidence;
    if (const std::string named = cuda_of_package(request); !named.empty()) {
      wanted = first_number(named).value_or(0);
      evidence = request.name;
    } else if (!request.version.empty() && *base < 12 &&
               version_at_least(request.version, "10.13.2")) {
      wanted = 12;
      evidence = "TensorRT support matrix: 10.13.2 and later are for CUDA 12 and 13";
    }
    if (wanted == 0 || wanted == *base) continue;
    Finding& found =
        sink.add("tensorrt-cuda-mismatch", *place.file, request.span,
                 fmt::format("{}{} is for CUDA {}, and the base has CUDA {}", request.name,
                             request.specifier, wanted, image.cuda.value));
    found.evidence = {evidence, image.cuda.evidence};
    found.fix =
        fmt::format("take tensorrt-cu{}, or {}", *base, base_of_cuda(std::to_string(wanted)));
    found.pedantic = !is_sure(place, request);
  }
}

/// The ROCm of an address of AMD's packages; empty: none, or a number of the driver's own.
std::string rocm_of_address(std::string_view text) {
  for (const std::string_view place :
       {"repo.radeon.com/amdgpu-install/", "repo.radeon.com/rocm/apt/"}) {
    const std::size_t at = text.find(place);
    if (at == text.npos) continue;
    const std::string_view rest = text.substr(at + place.size());
    const std::string_view number = rest.substr(0, rest.find_first_not_of("0123456789."));
    constexpr std::uint64_t kDriversBegin = 20;
    if (is_version(number) && number.contains('.') &&
        first_number(number).value_or(kDriversBegin) < kDriversBegin)
      return std::string(number);
  }
  // The folder "latest" has the installers of all releases: amdgpu-install_6.4.60400-1_all.deb.
  constexpr std::string_view kInstaller = "amdgpu-install/latest/";
  const std::size_t at = text.find(kInstaller);
  const std::size_t file = at == text.npos ? at : text.find("amdgpu-install_", at);
  if (file == text.npos) return {};
  const std::string_view rest = text.substr(file + std::string_view("amdgpu-install_").size());
  const std::string number = major_minor(rest);
  return is_version(number) && number.contains('.') ? number : std::string();
}

/// Whether a command makes the address a source of packages, or installs AMD's installer from it.
bool makes_source(const ShellCommand& shell, std::string_view word) {
  const auto names = [](std::string_view text) {
    return text.contains(".list") || text.contains(".repo") || text.contains(".sources");
  };
  return (word.contains("amdgpu-install") && ends_with_any(word, {".deb", ".rpm"})) ||
         std::ranges::any_of(shell.redirections,
                             [&](const auto& one) { return names(one.target.text); }) ||
         (shell.joined_by == "|" && word.contains("deb "));
}

/// A ROCm that AMD's packages bring.
struct InstalledRocm {
  Span span;
  std::string version;
  const Instruction* step = nullptr;
};

/// The first of a stage that is not of the minor `but`.
std::optional<InstalledRocm> installed_rocm(const Stage& stage, std::string_view but) {
  for (const Instruction& run : stage.instructions)
    for (const StepCommand& command : commands_of(run))
      for (const Argument& word : command.arguments)
        if (std::string rocm = rocm_of_address(word.text);
            !rocm.empty() && makes_source(*command.shell, word.text) && major_minor(rocm) != but)
          return InstalledRocm{word.span, std::move(rocm), &run};
  return std::nullopt;
}

/// The same, of a stage and those that it is built on.
std::optional<InstalledRocm> rocm_in_lineage(const FileView& view, std::size_t stage,
                                             std::string_view but) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    if (auto out = installed_rocm(view.dockerfile->stages[one], but)) return out;
  return std::nullopt;
}

/// No tag, or one that goes on with each release.
bool floats(const StageView& stage) {
  const auto& image = stage.stage->image;
  return image && image->digest.empty() && (image->tag.empty() || image->tag == "latest");
}

void rocm_of_wheel(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  for (const Framework& one : frameworks_of(*place.list, tables_of(project))) {
    if (one.package != "torch" || !one.variant.known()) continue;
    std::string message;
    std::string evidence = image.rocm.evidence;
    if (one.variant.value.starts_with("rocm") && image.rocm.known()) {
      const std::string wheel = major_minor(std::string_view(one.variant.value).substr(4));
      const std::string base = major_minor(image.rocm.value);
      if (wheel != base)
        message = fmt::format("torch is of ROCm {}, the base of ROCm {}", wheel, base);
    } else if (one.variant.value.starts_with("rocm") && !image.vendor.known()) {
      const std::string wheel = major_minor(std::string_view(one.variant.value).substr(4));
      if (const auto other = rocm_in_lineage(*place.view, place.install->stage, wheel)) {
        message = fmt::format("torch is of ROCm {}, and the image gets ROCm {}", wheel,
                              major_minor(other->version));
        evidence = fmt::format("repo.radeon.com, {}", other->version);
      }
    } else if (one.variant.value.starts_with("rocm") && image.repository.starts_with("rocm/") &&
               !image.rocm.known() && floats(place.view->stages[place.install->stage])) {
      message = fmt::format(
          "torch is of ROCm {}, and the base's ROCm is another with each release, "
          "as its tag names none",
          std::string_view(one.variant.value).substr(4));
      evidence = image.repository;
    } else if (one.variant.value.starts_with("cu") && image.vendor.value == "amd") {
      message =
          fmt::format("torch is of CUDA ({}), and the base is for AMD GPUs", one.variant.value);
      evidence = image.vendor.evidence;
    } else if (one.variant.value.starts_with("rocm") && image.vendor.value == "nvidia") {
      message =
          fmt::format("torch is of ROCm ({}), and the base is for NVIDIA GPUs", one.variant.value);
      evidence = image.vendor.evidence;
    }
    if (message.empty()) continue;
    Finding& found =
        sink.add("rocm-version-mismatch", *place.file, one.request->span, std::move(message));
    found.evidence = {one.variant.evidence, evidence};
    // The wheel brings its own ROCm; only what is compiled beside it meets the base's. Of the other
    // vendor it finds no GPU, unless another torch takes its place.
    found.pedantic = (image.vendor.value != "nvidia" && one.variant.value.starts_with("rocm")) ||
                     image.framework.value == "torch" || !is_sure(place, *one.request) ||
                     gets_torch(project, place, true);
  }
}

/// Whether a stage installs ROCm's packages, by the package manager or by amdgpu-install.
bool installs_rocm(const FileView& view, std::size_t stage) {
  const auto is_of_rocm = [](std::string_view name) {
    return starts_with_any(name, {"rocm", "hip", "rccl", "miopen", "rocblas"});
  };
  for (const Install* install : view.installs_in(stage))
    if (install->command.verb == "install" &&
        std::ranges::any_of(install->command.packages,
                            [&](const PackageRequest& one) { return is_of_rocm(one.name); }))
      return true;
  for (const Instruction& run : view.stages[stage].stage->instructions)
    for (const StepCommand& command : commands_of(run))
      if (command.program == "amdgpu-install" &&
          std::ranges::any_of(command.arguments, [](const Argument& word) {
            return word.text.contains("rocm") || word.text.contains("hip") ||
                   word.text.ends_with("=wsl");
          }))
        return true;
  return false;
}

/// Whether a stage takes the base's ROCm off first.
bool removes_rocm(const FileView& view, std::size_t stage) {
  for (const std::string_view word : {"amdgpu-uninstall", "purge", "autoremove"})
    if (commands_mention(view, stage, word)) return true;
  for (const Instruction& run : view.stages[stage].stage->instructions)
    for (const StepCommand& command : commands_of(run))
      if ((command.program == "rm" || command.has("remove")) &&
          std::ranges::any_of(command.arguments,
                              [](const Argument& word) { return word.text.contains("rocm"); }))
        return true;
  return false;
}

/// A second ROCm by AMD's packages, on a base that has one.
void rocm_twice(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    if (!stage.reachable || !stage.image.rocm.known() || removes_rocm(view, stage.index) ||
        !installs_rocm(view, stage.index))
      continue;
    const auto second = installed_rocm(*stage.stage, major_minor(stage.image.rocm.value));
    if (!second) continue;
    Finding& found = sink.add(
        "rocm-version-mismatch", *view.file, second->span,
        fmt::format("ROCm {} is installed beside the base's ROCm {}: both are shipped, and which "
                    "of them a program loads depends on paths",
                    second->version, stage.image.rocm.value));
    found.evidence = {fmt::format("repo.radeon.com, {}", second->version),
                      stage.image.rocm.evidence};
    found.pedantic = !is_reached(*second->step, second->span);
    found.fix = fmt::format("begin with a base of ROCm {}, or with one that has none",
                            major_minor(second->version));
  }
}

}  // namespace

void judge_versions_system(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const PlacedList& place : placed_lists(project, views)) {
    needed_against_base(project, place, sink);
    cudnn_of_base(project, place, sink);
    no_cudnn(place, sink);
    tensorrt(place, sink);
    rocm_of_wheel(project, place, sink);
  }
  for (const FileView& view : views) rocm_twice(view, sink);
}

}  // namespace flense::lint
