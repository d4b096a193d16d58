// CUDA in conda: whether the environment's packages agree with one another, with pip's packages,
// and with the base.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/table_facts.h"
#include "lint/installs/conda_builds.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

struct CudaClaim {
  const PackageRequest* request = nullptr;
  std::string cuda;  ///< "12.1", or the major alone
};

/// The CUDA that a conda package fixes: cudatoolkit=11.8, pytorch-cuda=12.1, a build string.
std::string cuda_of_conda(const PackageRequest& request) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"cudatoolkit", "cuda-version", "pytorch-cuda", "cuda-toolkit", "cuda-runtime", "cuda",
       "cuda-cudart", "cuda-nvcc"});
  if (std::ranges::find(kNames, std::string_view(request.name)) != kNames.end())
    return first_number(request.version) ? major_minor(request.version) : std::string();
  // pytorch=2.5.1=py3.11_cuda12.4_cudnn9.1.0_0
  const std::size_t at = request.specifier.rfind("_cuda");
  if (at == std::string::npos) return {};
  const std::string_view rest = std::string_view(request.specifier).substr(at + 5);
  const std::string_view number = rest.substr(0, rest.find_first_not_of("0123456789."));
  if (!is_version(number)) return {};
  // conda-forge writes cuda118.
  if (number.size() == 3 && !number.contains('.'))
    return fmt::format("{}.{}", number.substr(0, 2), number[2]);
  return major_minor(number);
}

bool fit(const std::string& a, const std::string& b) {
  if (a.find('.') == std::string::npos || b.find('.') == std::string::npos)
    return first_number(a) == first_number(b);
  return a == b;
}

bool has_wheels(const Project& project, const PackageRequest& torch, std::string_view cuda) {
  const std::string_view plain = std::string_view(torch.version).substr(0, torch.version.find('+'));
  return std::ranges::any_of(
      cuda_variants_of(*project.knowledge, plain),
      [&](const std::string& variant) { return knowledge::cuda_of_variant(variant) == cuda; });
}

/// A step gives conda a configuration, which may name such channels.
bool configures_channels(const FileView& view, std::size_t stage) {
  const auto names_settings = [](std::string_view word) {
    return word.contains("condarc") || word.contains(".mambarc") ||
           word.contains("channel_alias") || word.contains("default_channels");
  };
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if (mentions(step, names_settings)) return true;
      if (step.keyword == Keyword::kEnv &&
          std::ranges::any_of(step.pairs, [](const KeyValue& pair) {
            return is_one_of(pair.key.text,
                             {"CONDARC", "CONDA_CHANNELS", "CONDA_CHANNEL_ALIAS", "MAMBARC"});
          }))
        return true;
      if (std::ranges::any_of(mount_targets(step),
                              [](const std::string& path) { return path.contains("condarc"); }))
        return true;
      for (const StepCommand& command : commands_of(step))
        if (command.has("config") && is_one_of(command.program, {"conda", "mamba", "micromamba"}) &&
            std::ranges::any_of(command.arguments, [](const Argument& word) {
              return word.text.contains("://") || word.text.contains('$');
            }))
          return true;
    }
  return false;
}

/// Channels that a command does not name: of a configuration, or of an installer of conda-forge's.
bool has_more_channels(const FileView& view, const StageView& stage) {
  const std::string_view text = view.file->source.text();
  return text.contains("forge") || text.contains("channels") || text.contains("mamba") ||
         stage.image.repository.contains("forge");
}

/// Another command of the environment chooses a CUDA, or the variable for builds without a GPU.
bool chooses_cuda(const FileView& view, std::size_t stage) {
  return view.file->source.text().contains("CONDA_OVERRIDE_CUDA") ||
         std::ranges::any_of(
             std::to_array<std::string_view>({"cudatoolkit", "pytorch-cuda", "cuda-version"}),
             [&](std::string_view word) { return commands_mention(view, stage, word); });
}

/// What pip installs beside conda's packages, and loads the CUDA of the base.
bool loads_system_cuda(const FileView& view, std::size_t stage) {
  return std::ranges::any_of(view.installs_in(stage), [](const Install* install) {
    return std::ranges::any_of(lists_of(*install), [](const PackageList* list) {
      return std::ranges::any_of(list->packages, [](const PackageRequest& request) {
        return request.manager != PackageManager::kConda &&
               (is_one_of(request.name, {"onnxruntime-gpu", "tensorflow", "tensorflow-gpu",
                                         "ctranslate2", "faster-whisper", "paddlepaddle-gpu"}) ||
                request.name.starts_with("cupy") || request.name.starts_with("tensorrt"));
      });
    });
  });
}

/// conda's switch for builds without a GPU, on a base that has CUDA for its programs.
void for_processor(const PackageList& list, const ProjectFile& file, const CondaPlace& place,
                   FindingSink& sink) {
  const PackageRequest* switched = list.find("cpuonly");
  const GpuImage* image = place.image;
  if (switched == nullptr || switched->manager != PackageManager::kConda ||
      list.find("pytorch") == nullptr || image == nullptr || image->flavour.value == "base")
    return;
  const bool torch = image->repository == "pytorch/pytorch";  // its floating tags name no CUDA
  if (!image->cuda.known() && !torch) return;
  Finding& found =
      sink.add("conda-cuda-mismatch", file, switched->span,
               fmt::format("cpuonly takes a pytorch for the processor, and the base is of CUDA"
                           "{}: torch.cuda.is_available() is false",
                           image->cuda.known() ? " " + image->cuda.value : ""));
  found.evidence = {switched->name, image->cuda.known() ? image->cuda.evidence : image->repository};
  found.fix = "take a base without CUDA, or a pytorch for it (pytorch-cuda=…)";
  found.pedantic = place.loads_system || image->flavour.value == "devel";
}

/// pytorch for which nothing chooses a CUDA, on a base that has one: no solver sees a GPU while an
/// image is built.
void unchosen(const PackageList& list, const ProjectFile& file, const CondaPlace& place,
              FindingSink& sink) {
  const PackageRequest* torch = list.find("pytorch");
  if (torch == nullptr) torch = list.find("pytorch-nightly");  // its name up to 2019
  const GpuImage* image = place.image;
  if (torch == nullptr || torch->manager != PackageManager::kConda || has_build(*torch) ||
      place.chooses_cuda || file.source.slice(torch->span).contains('[') ||
      // Before 1.0 the channel's build for CUDA was the usual one.
      (!torch->version.empty() && !version_at_least(torch->version, "1.0")) || image == nullptr ||
      image->repository != "nvidia/cuda" || !image->cuda.known() ||
      std::ranges::any_of(list.packages, [](const PackageRequest& one) {
        return one.name.contains("cuda") ||
               is_one_of(one.name, {"cpuonly", "pytorch-gpu", "pytorch-mutex"});
      }))
    return;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, torch->span,
      fmt::format("nothing chooses the CUDA of {}, and no GPU is seen while an image is built: the "
                  "solver takes a build for the processor, or of another CUDA than the base's {}",
                  torch->name, major_minor(image->cuda.value)));
  found.evidence = {image->cuda.evidence,
                    "pytorch.org, previous versions: conda's commands name it"};
  found.fix =
      "write a version of pytorch with pytorch-cuda=… (up to 1.12 cudatoolkit=…) of the "
      "base's CUDA, or take pip's wheels from https://download.pytorch.org/whl";
  found.pedantic = true;
}

/// Minors of one major work beside each other, and cost: the base asks for its own driver.
void other_minor(const CudaClaim& conda, const std::string& base, const GpuImage& image,
                 const ProjectFile& file, FindingSink& sink) {
  const bool compiler = image.flavour.value == "devel";
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, conda.request->span,
      fmt::format("{} is of CUDA {}, and the base of CUDA {}: {}", conda.request->name, conda.cuda,
                  base,
                  compiler ? "extensions are compiled with another CUDA than the program's"
                           : "conda's programs never load the base's, which only asks for a "
                             "driver of its own"));
  found.evidence = {fmt::format("{}{}", conda.request->name, conda.request->specifier),
                    image.cuda.evidence};
  found.fix = fmt::format("begin with a base of CUDA {}{}", conda.cuda,
                          compiler ? "" : ", or without CUDA: conda brings its own");
  found.severity = Severity::kInfo;
  found.pedantic = true;
}

void judge(const Project& project, const PackageList& list, const ProjectFile& file,
           const CondaPlace& place, FindingSink& sink) {
  const GpuImage* image = place.image;
  for_processor(list, file, place, sink);
  if (!place.own_channels) unchosen(list, file, place, sink);
  if (!place.own_channels && asks_for_what_was_never_made(list, file, place, sink)) return;
  CudaClaim first;
  std::map<const PackageRequest*, std::string> torches;
  for (const Framework& one : frameworks_of(list, project.knowledge->frameworks))
    if (one.package == "torch") torches.emplace(one.request, one.cuda.value);
  for (const PackageRequest& request : list.packages) {
    const bool conda = request.manager == PackageManager::kConda;
    std::string cuda;
    if (conda) {
      cuda = cuda_of_conda(request);
    } else {
      cuda = cuda_of_package(request);
      if (const auto torch = torches.find(&request); cuda.empty() && torch != torches.end())
        cuda = torch->second;
    }
    if (cuda.empty()) continue;
    if (first.request == nullptr) {
      first = {&request, cuda};
      continue;
    }
    // Two lists of pip are the concern of another rule.
    if (!conda && first.request->manager != PackageManager::kConda) continue;
    if (fit(cuda, first.cuda)) continue;
    // Wheels bring their own libraries; minors of one major work beside each other.
    const bool wheel = !conda || first.request->manager != PackageManager::kConda;
    if (wheel && first_number(cuda) == first_number(first.cuda)) continue;
    Finding& found = sink.add("conda-cuda-mismatch", file, request.span,
                              fmt::format("{} is of CUDA {}, and {} of CUDA {}", request.name, cuda,
                                          first.request->name, first.cuda));
    found.evidence = {fmt::format("{}{}", request.name, request.specifier),
                      fmt::format("{}{}", first.request->name, first.request->specifier),
                      "zyrlia1018/CMD-GEN#1"};
    // What conda env export wrote was solved.
    constexpr std::size_t kManyPackages = 80;
    // A compiler of another minor is no part of the run time.
    const bool compiler = (request.name == "cuda-nvcc" || first.request->name == "cuda-nvcc") &&
                          first_number(cuda) == first_number(first.cuda);
    found.pedantic = compiler || list.packages.size() >= kManyPackages ||
                     file.source.text().contains("\nprefix:") ||
                     (has_build(request) && has_build(*first.request));
    // torch has wheels of some CUDA alone.
    const bool reverse =
        !conda && request.name == "torch" && !has_wheels(project, request, first.cuda);
    found.fix = fmt::format("write one CUDA for both: {} in place of {}",
                            reverse ? cuda : first.cuda, reverse ? first.cuda : cuda);
    return;
  }
  const bool compiler = image != nullptr && image->flavour.value == "devel";
  if (image == nullptr || !image->cuda.known() || first.request == nullptr ||
      first.request->manager != PackageManager::kConda)
    return;
  const std::string base = major_minor(image->cuda.value);
  // A compiler of its own.
  if (compiler && std::ranges::any_of(list.packages, [](const PackageRequest& one) {
        return is_one_of(one.name, {"cuda-nvcc", "cuda-toolkit", "cuda"});
      }))
    return;
  if (first_number(first.cuda) == first_number(base)) {
    if (!fit(first.cuda, base)) other_minor(first, base, *image, file, sink);
    return;
  }
  if (!compiler && image->flavour.value != "runtime") return;
  Finding& found =
      sink.add("conda-cuda-mismatch", file, first.request->span,
               fmt::format("{} is of CUDA {}, and {} CUDA {}", first.request->name, first.cuda,
                           compiler ? "the compiler of the base is of"
                                    : "conda's programs never load the base's",
                           image->cuda.value));
  found.evidence = {fmt::format("{}{}", first.request->name, first.request->specifier),
                    image->cuda.evidence};
  found.fix = compiler ? fmt::format("begin with {}, or compile with conda's cuda-nvcc",
                                     base_of_cuda(first.cuda))
                       : "begin with an image without CUDA, for conda brings its own, or with the "
                         "same major";
  found.pedantic = !compiler && place.loads_system;
}

/// A Python for which no pytorch of today is built, or an installer of conda or an image of a time
/// that had none other.
bool has_old_python(const PackageList& list) {
  const PackageRequest* python = list.find("python");
  return python != nullptr && is_version(python->version) &&
         !version_at_least(python->version, "3.8");
}
bool is_old_installer(std::string_view word) {
  for (const std::string_view name : {"Miniconda", "Anaconda"})
    if (const std::size_t at = word.find(name); at != word.npos) {
      const std::string_view rest = word.substr(std::min(at + name.size() + 2, word.size()));
      return !rest.starts_with("latest") &&
             (!rest.starts_with("py3") || starts_with_any(rest, {"py36", "py37"}));
    }
  return false;
}
bool has_old_python(const FileView& view, const StageView& stage) {
  for (const std::size_t one : view.dockerfile->lineage(stage.index)) {
    const auto& base = view.dockerfile->stages[one].image;
    if (base && base->repository.contains("conda") && base->tag.starts_with("4.")) return true;
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      if (mentions(step, is_old_installer)) return true;
  }
  return std::ranges::any_of(view.installs_in(stage.index), [](const Install* install) {
    return std::ranges::any_of(lists_of(*install),
                               [](const PackageList* list) { return has_old_python(*list); });
  });
}

/// Scripts for somebody's own machine.
void judge_script(const Project& project, const ProjectFile& file, FindingSink& sink) {
  const std::string_view text = file.source.text();
  if (!text.contains("cudatoolkit") && !text.contains("pytorch-cuda")) return;
  CondaPlace place;
  place.own_channels = text.contains("condarc") || text.contains("conda config");
  place.unknown_python = true;
  const std::vector<PackageList> lists =
      package_commands(file.source, split_shell(text, {0, text.size()}).commands, {});
  for (const PackageList& list : lists)
    if (const PackageRequest* python = list.find("python");
        python != nullptr && is_version(python->version)) {
      place.unknown_python = false;
      place.old_python = place.old_python || has_old_python(list);
    }
  for (const PackageList& list : lists)
    if (list.manager == PackageManager::kConda) judge(project, list, file, place, sink);
}

}  // namespace

void judge_versions_conda(const Project& project, const std::vector<FileView>& views,
                          FindingSink& sink) {
  std::set<const PackageList*> seen;
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      CondaPlace place;
      place.loads_system = loads_system_cuda(view, stage.index);
      place.own_channels = configures_channels(view, stage.index);
      place.chooses_cuda = chooses_cuda(view, stage.index);
      place.more_channels = has_more_channels(view, stage);
      place.old_python = has_old_python(view, stage);
      std::set<const PackageList*> judged;  // a file says the same to each step that installs it
      for (const Install& install : view.installs) {
        if (install.stage != stage.index) continue;
        place.image = install.conditional ? nullptr : &stage.image;
        for (const PackageList* list : lists_of(install))
          if (judged.insert(list).second)
            judge(project, *list, file_of(install, *list, *view.file), place, sink);
      }
      seen.merge(judged);
    }
  for (const auto& file : project.files) {
    if (file->kind == FileKind::kShell) judge_script(project, *file, sink);
    if (!file->packages || seen.contains(&*file->packages)) continue;
    CondaPlace place;
    place.old_python = has_old_python(*file->packages);
    judge(project, *file->packages, *file, place, sink);
  }
}

}  // namespace flense::lint
