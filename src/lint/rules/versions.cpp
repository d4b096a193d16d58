// Versions that must match: the CUDA or ROCm of wheels, of their index and of the base.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

const knowledge::Frameworks& tables_of(const Project& project) {
  return project.knowledge->frameworks;
}

/// A list with the stage that installs it; of a list that no Dockerfile of the call installs, no
/// stage.
struct PlacedList {
  const PackageList* list = nullptr;
  const ProjectFile* file = nullptr;
  const FileView* view = nullptr;
  const Install* install = nullptr;
};

std::vector<PlacedList> placed_lists(const Project& project, const std::vector<FileView>& views) {
  std::vector<PlacedList> out;
  std::set<const ProjectFile*> installed;
  for (const FileView& view : views)
    for (const Install& install : view.installs) {
      for (const PackageList* list : lists_of(install))
        out.push_back({list, &file_of(install, *list, *view.file), &view, &install});
      installed.insert(install.files.begin(), install.files.end());
    }
  for (const auto& file : project.files)
    if (file->packages && !installed.contains(file.get()))
      out.push_back({&*file->packages, file.get(), nullptr, nullptr});
  return out;
}

/// Whether the stage gets the package in every build.
bool is_sure(const PlacedList& place, const PackageRequest& request) {
  return surely_installs(*place.view, *place.install, *place.list, request);
}

void wheel_against_index(const PlacedList& place, FindingSink& sink) {
  for (const PackageRequest& request : place.list->packages) {
    const std::string local = knowledge::local_version(request.version);
    const std::string wanted = knowledge::cuda_of_variant(local);
    if (wanted.empty() || request.name != "torch") continue;
    std::string offered;
    for (const Word& index : place.list->indexes) {
      const std::string variant = variant_of_index(index.text);
      // An index without a variant may hold any wheel.
      if (variant.empty() || (!offered.empty() && offered != variant)) {
        offered.clear();
        break;
      }
      offered = variant;
    }
    if (offered.empty() || offered == local) continue;
    Finding& found =
        sink.add("wheel-cuda-mismatch", *place.file, request.span,
                 fmt::format("the index has wheels for {}, and {}{} is for {}: pip finds none",
                             offered, request.name, request.specifier, local));
    found.evidence = {place.list->indexes.front().text};
    found.fix = fmt::format("take https://download.pytorch.org/whl/{}", local);
  }
}

/// Whether another command of the stage installs a torch, in place of this one or over it: one for
/// GPUs, or any.
bool gets_torch(const Project& project, const PlacedList& place, bool any) {
  for (const Install* install : place.view->installs_in(place.install->stage)) {
    if (install == place.install || !install->command.installs) continue;
    for (const PackageList* list : lists_of(*install))
      for (const Framework& one : frameworks_of(*list, tables_of(project)))
        if (one.package == "torch" && list != place.list &&
            (any || (one.variant.known() && one.variant.value != "cpu")))
          return true;
  }
  return false;
}

void wheel_against_base(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  const std::string& flavour = image.flavour.value;
  if (!image.cuda.known() || flavour == "base") return;
  for (const Framework& one : frameworks_of(*place.list, tables_of(project))) {
    // pip leaves what the base holds.
    if (one.package == image.framework.value && !one.version.empty() &&
        one.version == image.framework_version.value)
      continue;
    if (one.package == "torch" && one.variant.value == "cpu" && image.vendor.value == "nvidia") {
      if (gets_torch(project, place, false)) continue;
      Finding& found =
          sink.add("wheel-cuda-mismatch", *place.file, one.request->span,
                   fmt::format("torch is a build for processors ({}), and the base is of CUDA {}: "
                               "torch.cuda.is_available() is false",
                               one.variant.value, image.cuda.value));
      found.evidence = {one.variant.evidence, image.cuda.evidence};
      found.fix = "take a wheel for CUDA, or a base without it";
      found.pedantic = !is_sure(place, *one.request);
      continue;
    }
    const std::string wheel =
        one.variant.known() ? knowledge::cuda_of_variant(one.variant.value) : std::string();
    if (!wheel.contains('.') || one.package != "torch") continue;
    const std::string base = major_minor(image.cuda.value);
    if (wheel == base) continue;
    const bool major = first_number(wheel) != first_number(base);
    const bool devel = flavour == "devel";
    // Without a compiler, different minors of one major only waste space.
    if (!major && !devel) continue;
    std::string message = fmt::format("torch is of CUDA {} ({}), the base of CUDA {}", wheel,
                                      one.variant.value, base);
    message += devel && major
                   ? ": extensions refuse to compile (\"The detected CUDA version mismatches\")"
               : devel ? ": extensions are compiled with another CUDA than torch"
                       : ": two CUDA installations of different majors in one image";
    Finding& found =
        sink.add("wheel-cuda-mismatch", *place.file, one.request->span, std::move(message));
    found.evidence = {one.variant.evidence, image.cuda.evidence};
    const auto* near = project.knowledge->images.cuda_near(wheel + ".0");
    found.fix = fmt::format("take wheels of the base's CUDA, or a base of CUDA {}{}", wheel,
                            near != nullptr && major_minor(near->cuda) == wheel
                                ? ": nvidia/cuda:" + near->cuda + "-…"
                                : "");
    // Minors of one major fit each other.
    if (devel && !major) found.severity = Severity::kInfo;
    found.pedantic = (devel && !major) || !is_sure(place, *one.request);
  }
}

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
    if (request.version.empty() || !request.extras.empty()) continue;
    const auto* row = tables_of(project).cuda_of(request.name, request.version);
    if (row == nullptr) continue;
    const auto major = first_number(row->cuda);
    if (major == first_number(image.cuda.value) || is_of_other_feed(place, request, major))
      continue;
    Finding& found =
        sink.add("wheel-cuda-mismatch", *place.file, request.span,
                 fmt::format("{} {} loads CUDA {} from the system, and the base has CUDA {}",
                             request.name, request.version, row->cuda, image.cuda.value));
    found.evidence = {row->source, image.cuda.evidence};
    found.fix =
        fmt::format("begin with a base of CUDA {}, or take the {} that is built for CUDA {}",
                    row->cuda, request.name, first_number(image.cuda.value).value_or(0));
    found.pedantic = !is_sure(place, request) || brings_libraries(place);
  }
}

bool asks_for_gpu(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    // docker-compose.gpu.yml, however it asks.
    if (file->kind == FileKind::kCompose && file_name(file->source.path()).contains("gpu"))
      return true;
    return std::ranges::any_of(file->workloads,
                               [](const Workload& one) { return !one.gpus.empty(); });
  });
}

/// A base of a distribution or of Python alone: others may hold anything.
bool is_plain_base(const StageView& stage) {
  const std::string& repository = stage.image.repository;
  return stage.image.distribution.known() || repository.find('/') == std::string::npos ||
         is_for_other_device(repository);
}

/// Whether a Dockerfile for GPUs, or on a base of which nobody knows, installs the same file: it
/// has to serve both.
bool is_list_of_gpu_image(const std::vector<FileView>& views, const ProjectFile& file) {
  return std::ranges::any_of(views, [&](const FileView& view) {
    return std::ranges::any_of(view.installs, [&](const Install& install) {
      const StageView& stage = view.stages[install.stage];
      return (stage.image.vendor.known() || !is_plain_base(stage)) &&
             std::ranges::find(install.files, &file) != install.files.end();
    });
  });
}

/// Whether the stage says that its programs compute on the processor.
bool is_for_processor(const FileView& view, const StageView& stage) {
  if (is_for_other_device(view.file->source.path())) return true;
  return std::ranges::any_of(stage.stage->environment, [](const auto& variable) {
    const auto& [name, value] = variable;
    if (!value) return false;
    return name == "CUDA_VISIBLE_DEVICES" ? value->empty() || *value == "-1"
                                          : name.ends_with("DEVICE") && *value == "cpu";
  });
}

void implicit_index(const Project& project, const std::vector<FileView>& views,
                    const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || place.list->manager == PackageManager::kConda) return;
  const StageView& stage = place.view->stages[place.install->stage];
  if (stage.image.vendor.known() || stage.image.platform == "jetson" || asks_for_gpu(project) ||
      !is_plain_base(stage) || is_list_of_gpu_image(views, *place.file))
    return;
  // Another stage says what the file is for.
  for (const StageView& other : place.view->stages)
    if (other.image.vendor.known()) return;
  if (stage.stage->environment.contains("NVIDIA_VISIBLE_DEVICES") ||
      stage.image.distribution.value == "alpine")
    return;
  // The command decides where its files come from.
  if (!place.install->command.indexes.empty() || !place.list->indexes.empty()) return;
  for (const std::string& option : place.install->command.options)
    if (option.starts_with("--torch-backend")) return;
  for (const PackageRequest& request : place.list->packages) {
    if (request.name != "torch" || !request.index.empty() || !request.url.empty() ||
        !knowledge::local_version(request.version).empty())
      continue;
    const auto* row = tables_of(project).default_variant(request.version);
    Finding& found = sink.add(
        "torch-index-implicit", *place.file, request.span,
        row == nullptr || request.version.empty()
            ? "on Linux this torch is a CUDA build of several GB, and nothing here uses a GPU"
            : fmt::format("on Linux this torch is the {} build of several GB, and nothing here "
                          "uses a GPU",
                          row->variant));
    found.evidence = {row == nullptr ? "framework_builds.json, pypi" : row->source};
    found.fix =
        "say which: --index-url https://download.pytorch.org/whl/cpu, or …/whl/cu128 with a base "
        "for GPUs";
    // Without a word about processors, the GPU may be asked for elsewhere.
    found.pedantic = !is_for_processor(*place.view, stage) || !is_sure(place, request);
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
    found.fix =
        own ? "take a base without cuDNN" : fmt::format("take a base with cuDNN {}", row->major);
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
    found.fix = fmt::format("take tensorrt-cu{}, or a base of CUDA {}", *base, wanted);
    found.pedantic = !is_sure(place, request);
  }
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
    found.pedantic = (image.rocm.known() && one.variant.value.starts_with("rocm")) ||
                     image.framework.value == "torch" || !is_sure(place, *one.request) ||
                     gets_torch(project, place, true);
  }
}

/// pip takes the newest of both indexes; uv asks the extra one first.
void additive_index(const PlacedList& place, FindingSink& sink) {
  const PackageList& list = *place.list;
  const bool command = !list.program.empty();
  if (command && list.manager != PackageManager::kPip) return;
  if (!command && place.file->kind != FileKind::kRequirements) return;
  const Word* extra = nullptr;
  bool other = false;
  for (const Word& index : list.indexes) {
    const Span before{index.span.begin < 20 ? 0 : index.span.begin - 20, index.span.begin};
    const bool is_extra =
        place.file->source.slice(before).find("--extra-index-url") != std::string_view::npos;
    if (is_extra && !variant_of_index(index.text).empty())
      extra = &index;
    else
      other = true;
  }
  if (extra == nullptr || other) return;
  const PackageRequest* loose = nullptr;
  bool torch_alone = true;
  for (const PackageRequest& request : list.packages) {
    const bool family =
        request.name == "torch" || request.name == "torchvision" || request.name == "torchaudio";
    torch_alone = torch_alone && family;
    if (family && loose == nullptr && request.version.empty() && request.index.empty())
      loose = &request;
  }
  if (loose == nullptr) return;
  Finding& found = sink.add(
      "extra-index-additive", *place.file, loose->span,
      fmt::format("{} without a version may come from either index: pip takes the newest, and "
                  "PyPI's is of another CUDA",
                  loose->name));
  found.evidence = {extra->text, "pixeloven/ComfyUI-Docker#47"};
  found.fix = fmt::format("name the index alone (--index-url), or write the variant: {}==…+{}",
                          loose->name, variant_of_index(extra->text));
  const std::string_view text = place.file->source.text();
  const std::size_t at = text.rfind("--extra-index-url", extra->span.begin);
  if (command && torch_alone && list.requirement_files.empty() && at != text.npos)
    found.edits.push_back({{at, at + 17}, "--index-url"});
}

}  // namespace

void judge_versions(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  for (const PlacedList& place : placed_lists(project, views)) {
    wheel_against_index(place, sink);
    wheel_against_base(project, place, sink);
    needed_against_base(project, place, sink);
    implicit_index(project, views, place, sink);
    cudnn_of_base(project, place, sink);
    tensorrt(place, sink);
    rocm_of_wheel(project, place, sink);
    additive_index(place, sink);
  }
}

}  // namespace flense::lint
