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

/// A channel of somebody's own, or a mirror: it may have anything.
bool has_own_channel(const PackageList& list) {
  return std::ranges::any_of(list.indexes, [](const Word& channel) {
    return channel.text.contains("://") || starts_with_any(channel.text, {"/", ".", "~", "$"});
  });
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

/// pytorch-cuda was made for some CUDA alone, by a channel that ended with PyTorch 2.5.
bool no_such_metapackage(const PackageList& list, const ProjectFile& file, FindingSink& sink) {
  const PackageRequest* asked = list.find("pytorch-cuda");
  if (asked == nullptr || asked->manager != PackageManager::kConda || asked->version.empty() ||
      has_own_channel(list))
    return false;
  const std::string cuda = major_minor(asked->version);
  if (!cuda.contains('.') || is_one_of(cuda, {"11.6", "11.7", "11.8", "12.1", "12.4"}))
    return false;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, asked->span,
      fmt::format(
          "there is no pytorch-cuda of {}: the channel pytorch made it for 11.6, 11.7, 11.8, "
          "12.1 and 12.4, and ended with PyTorch 2.5",
          cuda));
  found.severity = Severity::kError;
  found.evidence = {fmt::format("{}{}", asked->name, asked->specifier),
                    "pytorch/pytorch#138506: the conda channel is no longer published to"};
  found.fix = fmt::format(
      "take torch from https://download.pytorch.org/whl by pip, or pytorch-gpu and "
      "cuda-version={} of conda-forge",
      cuda);
  return true;
}

/// What the channel pytorch built: pytorch.org, "previous versions".
constexpr auto kCondaBuilds = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"1.13", "11.6, 11.7"},
    {"2.0", "11.7, 11.8"},
    {"2.1", "11.8, 12.1"},
    {"2.2", "11.8, 12.1"},
    {"2.3", "11.8, 12.1"},
    {"2.4", "11.8, 12.1, 12.4"},
    {"2.5", "11.8, 12.1, 12.4"},
});

/// A pytorch that was not made for this pytorch-cuda; conda-forge's is another package.
bool no_such_build(const PackageList& list, const ProjectFile& file, FindingSink& sink) {
  const PackageRequest* cuda = list.find("pytorch-cuda");
  const PackageRequest* torch = list.find("pytorch");
  if (cuda == nullptr || torch == nullptr || cuda->manager != PackageManager::kConda ||
      torch->manager != PackageManager::kConda || !is_version(cuda->version) ||
      !is_version(torch->version) || has_own_channel(list) ||
      file.source.slice(torch->span).contains("::") ||
      std::ranges::any_of(list.indexes,
                          [](const Word& one) { return one.text.contains("conda-forge"); }))
    return false;
  const auto row = std::ranges::find(kCondaBuilds, major_minor(torch->version),
                                     &std::pair<std::string_view, std::string_view>::first);
  const std::string wanted = major_minor(cuda->version);
  if (row == kCondaBuilds.end() || !wanted.contains('.') || row->second.contains(wanted))
    return false;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, cuda->span,
      fmt::format("there is no pytorch {} for pytorch-cuda {}: the channel pytorch built it for {}",
                  torch->version, wanted, row->second));
  found.severity = Severity::kError;
  found.evidence = {fmt::format("{}{}", torch->name, torch->specifier),
                    "pytorch.org, previous versions"};
  found.fix = fmt::format("write pytorch-cuda={}", row->second.substr(row->second.rfind(' ') + 1));
  return true;
}

/// cudatoolkit ended with 11.8: of CUDA 12 conda's packages have other names.
bool no_such_toolkit(const PackageList& list, const ProjectFile& file, FindingSink& sink) {
  const PackageRequest* asked = list.find("cudatoolkit");
  if (asked == nullptr || asked->manager != PackageManager::kConda || !is_version(asked->version) ||
      first_number(asked->version).value_or(0) < 12 || has_own_channel(list))
    return false;
  const std::string cuda = major_minor(asked->version);
  Finding& found =
      sink.add("conda-cuda-mismatch", file, asked->span,
               fmt::format("there is no cudatoolkit of {}: conda's channels end with 11.8", cuda));
  found.severity = Severity::kError;
  found.evidence = {fmt::format("{}{}", asked->name, asked->specifier),
                    "conda-forge/cudatoolkit-feedstock: of CUDA 12 there are cuda-version and one "
                    "package for each part"};
  found.fix = fmt::format(
      "write cuda-version={}, with {} of conda-forge", cuda,
      list.find("pytorch") == nullptr ? "the parts that are used (cuda-toolkit)" : "pytorch-gpu");
  return true;
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

void judge(const Project& project, const PackageList& list, const ProjectFile& file,
           const GpuImage* image, bool loads_system, bool own_channels, FindingSink& sink) {
  if (!own_channels) {
    // Whoever replaces these chooses the CUDA anew.
    const bool cuda = no_such_metapackage(list, file, sink) || no_such_build(list, file, sink);
    if (no_such_toolkit(list, file, sink) || cuda) return;
  }
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
    const auto has_build = [](const PackageRequest& one) {
      return one.manager == PackageManager::kConda && std::ranges::count(one.specifier, '=') > 1;
    };
    // A compiler of another minor is no part of the run time.
    const bool compiler = (request.name == "cuda-nvcc" || first.request->name == "cuda-nvcc") &&
                          first_number(cuda) == first_number(first.cuda);
    found.pedantic = compiler || list.packages.size() >= kManyPackages ||
                     (has_build(request) && has_build(*first.request));
    // torch has wheels of some CUDA alone.
    const bool reverse =
        !conda && request.name == "torch" && !has_wheels(project, request, first.cuda);
    found.fix = fmt::format("write one CUDA for both: {} in place of {}",
                            reverse ? cuda : first.cuda, reverse ? first.cuda : cuda);
    return;
  }
  const bool compiler = image != nullptr && image->flavour.value == "devel";
  if (image == nullptr || !image->cuda.known() ||
      (!compiler && image->flavour.value != "runtime") || first.request == nullptr ||
      first.request->manager != PackageManager::kConda)
    return;
  if (first_number(first.cuda) == first_number(image->cuda.value)) return;
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
  found.pedantic = !compiler && loads_system;
}

}  // namespace

void judge_versions_conda(const Project& project, const std::vector<FileView>& views,
                          FindingSink& sink) {
  std::set<const PackageList*> seen;
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      const bool loads_system = loads_system_cuda(view, stage.index);
      const bool own_channels = configures_channels(view, stage.index);
      std::set<const PackageList*> judged;  // a file says the same to each step that installs it
      for (const Install& install : view.installs) {
        if (install.stage != stage.index) continue;
        for (const PackageList* list : lists_of(install))
          if (judged.insert(list).second)
            judge(project, *list, file_of(install, *list, *view.file),
                  install.conditional ? nullptr : &stage.image, loads_system, own_channels, sink);
      }
      seen.merge(judged);
    }
  for (const auto& file : project.files)
    if (file->packages && !seen.contains(&*file->packages))
      judge(project, *file->packages, *file, nullptr, false, false, sink);
}

}  // namespace flense::lint
