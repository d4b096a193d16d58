// Packages of one installation that do not fit each other: of different CUDA majors, or variants of
// one module.
#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/torch_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

struct HeldList {
  const PackageList* list = nullptr;
  const ProjectFile* file = nullptr;
  const FileView* view = nullptr;    ///< the Dockerfile that installs the list; null: none does
  const Install* install = nullptr;  ///< of that file

  /// Whether every installation of the list brings the package.
  bool brings(const PackageRequest& request) const {
    if (install != nullptr) return surely_installs(*view, *install, *list, request);
    return request.group.empty() && request.marker.empty();
  }
};

/// uv makes one for each project.
std::string environment_of_list(const Install& install, const ProjectFile& file) {
  if (install.command.program == "uv" && install.command.verb == "sync")
    return directory_of(file.source.path()) + "/.venv";
  std::string conda = conda_environment(install);
  return conda.empty() ? own_environment(install) : conda;
}

/// Extras of pyproject.toml are alternatives until a command asks for both.
bool together(const PackageRequest& a, const PackageRequest& b) {
  if (exclude_each_other(a.marker, b.marker)) return false;
  // Markers with alternatives: who writes two of them writes them against each other.
  if (a.marker != b.marker && (a.marker.contains(" or ") || b.marker.contains(" or ")))
    return false;
  return a.group.empty() || b.group.empty() || a.group == b.group;
}

/// Whether NVIDIA's own wheels are there for a program that names their libraries and brings none:
/// CTranslate2 and ONNX Runtime.
bool wants_libraries(const std::vector<HeldList>& lists) {
  return std::ranges::any_of(lists, [](const HeldList& held) {
    return std::ranges::any_of(held.list->packages, [](const PackageRequest& one) {
      return is_one_of(one.name, {"ctranslate2", "faster-whisper", "whisperx", "onnxruntime-gpu"});
    });
  });
}

/// NVIDIA's wheels of CUDA's own libraries.
bool is_library(const PackageRequest& request) {
  return starts_with_any(request.name, {"nvidia-cu", "nvidia-nccl", "nvidia-nvjitlink"});
}

/// Packages of one installation whose names or extras say different CUDA majors.
void mixed_majors(const std::vector<HeldList>& lists, const Project& project, FindingSink& sink) {
  constexpr std::size_t kMost = 20;  // each is compared with those before it
  const bool wanted = wants_libraries(lists);
  std::vector<std::pair<Framework, const HeldList*>> seen;
  for (const HeldList& held : lists) {
    for (Framework& one : frameworks_of(*held.list, project.knowledge->frameworks)) {
      if (!one.cuda.known() || one.request->manager == PackageManager::kConda) continue;
      const auto at = std::ranges::find_if(seen, [&](const auto& before) {
        // Of a package asked for twice one stays.
        return one.request->name != before.first.request->name &&
               !(wanted &&
                 ((is_library(*one.request) && before.first.request->name.starts_with("torch")) ||
                  (is_library(*before.first.request) && one.request->name.starts_with("torch")))) &&
               first_number(one.cuda.value) != first_number(before.first.cuda.value) &&
               together(*before.first.request, *one.request);
      });
      if (at == seen.end()) {
        if (seen.size() < kMost) seen.emplace_back(std::move(one), &held);
        continue;
      }
      const Framework* other = &at->first;
      const auto cuda = first_number(one.cuda.value).value_or(0);
      const auto others = first_number(other->cuda.value).value_or(0);
      Finding& found = sink.add(
          "cuda-major-mixed", *held.file, one.request->span,
          fmt::format("{} is for CUDA {}, and {} for CUDA {}: one of them finds no libraries, or "
                      "both sets are installed",
                      one.package, cuda, other->request->name, others));
      found.evidence = {one.cuda.evidence, other->cuda.evidence, "young-geng/EasyLM#92"};
      found.fix = fmt::format("take all of them for one CUDA: {} or {}", std::min(cuda, others),
                              std::max(cuda, others));
      // A list that no image installs is often a record of somebody's machine, and who writes an
      // extra for the other CUDA gives each its libraries.
      found.pedantic =
          held.install == nullptr || !held.brings(*one.request) ||
          (at->second->file == held.file && (other->request->group != one.request->group ||
                                             other->request->taken_of != one.request->taken_of)) ||
          !at->second->brings(*other->request);
      return;
    }
  }
}

/// Packages whose releases leave NumPy alone.
bool leaves_numpy(std::string_view name) {
  return is_one_of(name, {"torch",
                          "torchvision",
                          "torchaudio",
                          "pillow",
                          "tqdm",
                          "requests",
                          "pyyaml",
                          "fastapi",
                          "uvicorn",
                          "flask",
                          "gunicorn",
                          "opencv-python",
                          "opencv-python-headless",
                          "einops",
                          "matplotlib",
                          "python-multipart",
                          "pydantic",
                          "huggingface-hub",
                          "safetensors",
                          "sentencepiece",
                          "boto3",
                          "redis",
                          "ninja",
                          "packaging",
                          "setuptools",
                          "wheel",
                          "pip",
                          "omegaconf",
                          "regex",
                          "ftfy",
                          "jupyter",
                          "jupyterlab",
                          "ipython",
                          "click",
                          "loguru"});
}

/// torch 2.1 beside the newest NumPy.
void newest_numpy(const std::vector<HeldList>& lists, const FileView& view, std::size_t stage,
                  FindingSink& sink) {
  const PackageRequest *torch = nullptr, *numpy = nullptr, *vision = nullptr;
  const HeldList *torch_list = nullptr, *numpy_list = nullptr, *vision_list = nullptr;
  bool held = false;  // another package may bound it
  for (const HeldList& list : lists) {
    if (is_of_system(list.list->manager)) {
      // The distribution's, which satisfies what asks for any.
      if (list.list->find("python3-numpy") != nullptr) return;
      continue;
    }
    if (is_constrained(*list.list, list.install)) return;
    for (const PackageRequest& request : list.list->packages) {
      if (request.manager == PackageManager::kConda || !request.group.empty()) return;
      if (request.name == "torch" && torch == nullptr) {
        torch = &request;
        torch_list = &list;
      } else if (request.name == "numpy") {
        // A bound anywhere, or a version of its own.
        if (request.specifier.find_first_of("<~") != std::string::npos ||
            request.specifier.starts_with("=") || !request.url.empty() || numpy != nullptr)
          return;
        numpy = &request;
        numpy_list = &list;
      } else {
        held = held || (!request.specifier.empty() && !leaves_numpy(request.name)) ||
               request.url.starts_with("git+");
        if (request.name == "torchvision" && vision == nullptr && request.url.empty() &&
            list.install != nullptr && !list.install->command.has_option("--no-deps")) {
          vision = &request;
          vision_list = &list;
        }
      }
    }
  }
  // torchvision requires it in any version.
  const bool brought = numpy == nullptr && vision != nullptr;
  if (brought) {
    numpy = vision;
    numpy_list = vision_list;
  }
  if (torch == nullptr || numpy == nullptr) return;
  // Another Python than the base's, which may be too old for NumPy 2.
  for (const std::string_view word :
       {"deadsnakes", "conda", "pyenv", "python3.6", "python3.7", "python3.8", "uv python"})
    if (commands_mention(view, stage, word)) return;
  const std::string plain = torch->version.substr(0, torch->version.find('+'));
  if (!is_version(plain) || compare_versions(plain, "2.3") >= 0 ||
      compare_versions(torch->version, "1.8") < 0)
    return;
  const GpuImage& base = view.stages[stage].image;
  if (base.framework.known() ||
      (base.python.known() && compare_versions(base.python.value, "3.9") < 0))
    return;
  Finding& found = sink.add(
      "torch-numpy-mismatch", *numpy_list->file, numpy->span,
      fmt::format("torch {} was compiled for NumPy 1, and {} takes the newest: \"Numpy is not "
                  "available\"",
                  torch->version, brought ? "torchvision" : "pip"));
  found.evidence = {fmt::format("torch{}", torch->specifier),
                    "torch 2.3 was the first for NumPy 2; idealo/imagededup#218"};
  found.fix = brought ? "add numpy<2 beside it (in quotes, where a shell reads it)"
                      : "write numpy<2 (in quotes, where a shell reads it)";
  // PyTorch's own index has few releases of NumPy.
  const bool other_index = brought && !numpy_list->install->command.indexes.empty() &&
                           compare_versions(base.python.value, "3.10") < 0;
  found.pedantic = held || other_index || !base.python.known() || !torch_list->brings(*torch) ||
                   !numpy_list->brings(*numpy) || !knows_all_installs(view, stage);
}

/// Two packages of a set, and where they stand.
struct Clash {
  const PackageRequest *first = nullptr, *second = nullptr;
  const HeldList *first_list = nullptr, *second_list = nullptr;

  /// One list brings both, whoever installs it.
  bool is_sure() const {
    return first_list->list == second_list->list && first_list->brings(*first) &&
           second_list->brings(*second);
  }
  bool has(std::string_view name) const { return first->name == name || second->name == name; }
};

/// conda's tensorflow-gpu has no files: it asks for a build of tensorflow.
bool is_metapackage(const PackageRequest& a, const PackageRequest& b) {
  return a.manager == PackageManager::kConda && b.manager == PackageManager::kConda &&
         a.name.starts_with("tensorflow") && b.name.starts_with("tensorflow");
}

/// `view`: the Dockerfile whose stage installs the lists; null: none does.
/// Also in what `conda list --export` wrote: NAME=VERSION=BUILD.
bool is_of_conda(const PackageRequest& request) {
  return request.manager == PackageManager::kConda ||
         (request.specifier.starts_with('=') && !request.specifier.starts_with("=="));
}

std::optional<Clash> clash_in(const std::vector<HeldList>& lists,
                              const knowledge::VariantSetRow& row, const FileView* view,
                              std::size_t stage) {
  const auto gone = [&](const PackageRequest& one) {
    return view != nullptr && uninstalls(*view, stage, one.name);
  };
  // Each is compared with those before it.
  constexpr std::size_t kMost = 20;
  std::vector<std::pair<const PackageRequest*, const HeldList*>> found;
  for (const HeldList& held : lists)
    for (const PackageRequest& request : held.list->packages) {
      // Constraints forbid a package by a version that was never made.
      if (std::ranges::find(row.packages, request.name) == row.packages.end() ||
          request.version == "0")
        continue;
      for (const auto& [first, first_list] : found)
        // The sets are of PyPI's packages; conda's by these names require each other.
        if (first->name != request.name && !is_metapackage(*first, request) &&
            (!is_of_conda(*first) || !is_of_conda(request)) && together(*first, request) &&
            !gone(*first) && !gone(request))
          return Clash{first, &request, first_list, &held};
      if (found.size() < kMost) found.emplace_back(&request, &held);
    }
  return std::nullopt;
}

/// The variants of the set that other packages of the lists require, with who requires them.
std::map<std::string, std::string> required_in(const std::vector<HeldList>& lists,
                                               const knowledge::VariantSetRow& row) {
  std::map<std::string, std::string> out;
  for (const HeldList& held : lists)
    for (const PackageRequest& request : held.list->packages)
      if (const auto at = row.required.find(request.name); at != row.required.end())
        out.emplace(at->second, request.name);
  return out;
}

/// A list that no image installs, of a project in a directory of its own, where the root has a list
/// too: a copy of somebody's code, mostly.
bool is_of_taken_over_project(const Project& project, const ProjectFile& file) {
  const std::string& path = file.source.path();
  const std::string& below = file.source.project_path();
  const std::size_t slash = below.find('/');
  if (file.kind != FileKind::kRequirements || slash == below.npos || !path.ends_with(below))
    return false;
  const std::string root = path.substr(0, path.size() - below.size());
  return project.find(path_below(directory_of(path), "pyproject.toml")) != nullptr &&
         project.find(root + "requirements.txt") != nullptr;
}

void clashing(const std::vector<HeldList>& lists, const Project& project, const FileView* view,
              std::size_t stage, FindingSink& sink) {
  // All names of a set are one finding.
  for (const knowledge::VariantSetRow& row : project.knowledge->frameworks.variants) {
    const auto clash = clash_in(lists, row, view, stage);
    if (!clash) continue;
    // Of one version mmcv writes what mmcv-full has beside its operators.
    if (clash->has("mmcv-full") && !clash->first->version.empty() &&
        clash->first->version == clash->second->version)
      continue;
    const auto required = required_in(lists, row);
    std::string stays = *std::ranges::find_if(
        row.packages, [&](const std::string& name) { return clash->has(name); });
    bool replaces = true;
    if (!required.empty()) {
      stays = required.begin()->first;
      const std::string& other =
          clash->first->name == stays ? clash->second->name : clash->first->name;
      const auto held = row.holds.find(stays);
      replaces = required.size() == 1 && clash->has(stays) && held != row.holds.end() &&
                 held->second.contains(other);
    }
    // Before 2.1 the plain name was for processors alone.
    if (stays == "tensorflow" && clash->has("tensorflow-gpu") && !clash->first->version.empty() &&
        compare_versions(clash->first->version, "2.1") < 0)
      stays = "tensorflow-gpu";
    // The finding points at the one that should go.
    const bool first_goes = clash->second->name == stays;
    const PackageRequest& goes = first_goes ? *clash->first : *clash->second;
    const PackageRequest& other = first_goes ? *clash->second : *clash->first;
    Finding& found = sink.add(
        "package-variants-clash", first_goes ? *clash->first_list->file : *clash->second_list->file,
        goes.span,
        fmt::format("{} and {} are installed together: {}", goes.name, other.name, row.effect));
    found.evidence = {row.source};
    if (!row.document.empty()) found.evidence.push_back(row.document);
    for (const auto& [variant, package] : required)
      found.evidence.push_back(fmt::format("{} requires {}", package, variant));
    const std::string& extra = goes.group.empty() ? other.group : goes.group;
    // Where one name holds all of the other, both work until one of them goes, and other packages
    // ask for either.
    found.pedantic =
        !row.holds.empty() || !clash->is_sure() ||
        // What conda writes out names its own packages below pip once more.
        (is_of_conda(goes) != is_of_conda(other) &&
         clash->first_list->list == clash->second_list->list) ||
        (view == nullptr && is_of_taken_over_project(project, *clash->first_list->file));
    if (!row.holds.empty() && required.empty() &&
        clash->first_list->file == clash->second_list->file && !goes.version.empty() &&
        goes.version == other.version) {
      // Equal pins side by side are meant: others ask for each, and what one name writes over the
      // other is the same.
      found.fix = fmt::format("keep {} alone, if nothing requires {}", stays, goes.name);
    } else if (!replaces) {
      // Whichever goes, comes back.
      found.fix = fmt::format("write one version for {} and {}", goes.name, other.name);
      found.pedantic = true;
    } else if (goes.group != other.group) {
      found.fix = fmt::format("ask for each in an extra of its own: '{}' installs both", extra);
    } else if (stays.starts_with("cupy-cuda")) {
      found.fix = "keep the one for the CUDA of the machine or image";
    } else {
      found.fix = fmt::format("keep {} alone", stays);
    }
    // uv may be told to leave one out.
    found.pedantic =
        found.pedantic || clash->first_list->file->source.text().contains("override-dependencies");
  }
}

}  // namespace

void judge_versions_sets(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  std::set<const PackageList*> installed;
  for (const FileView& view : views) {
    for (const StageView& stage : view.stages) {
      std::vector<HeldList> lists;
      // Environments of one image do not meet.
      std::map<std::string, std::vector<HeldList>> environments;
      for (const Install* install : view.installs_in(stage.index))
        for (const PackageList* list : lists_of(*install)) {
          installed.insert(list);
          // What a lock adds, others require; what was written is in pyproject.toml.
          const ProjectFile& file = file_of(*install, *list, *view.file);
          if (file.kind == FileKind::kUvLock) continue;
          lists.push_back({list, &file, &view, install});
          environments[environment_of_list(*install, file)].push_back(lists.back());
        }
      for (const auto& [name, held] : environments) mixed_majors(held, project, sink);
      if (stage.reachable) newest_numpy(lists, view, stage.index, sink);
      clashing(lists, project, &view, stage.index, sink);
    }
  }
  for (const auto& file : project.files) {
    // Constraints install nothing.
    if (!file->packages || installed.contains(&*file->packages) ||
        file->kind == FileKind::kUvLock ||
        has_part(file_name(file->source.path()), "._-", {"constraint", "constraints"}))
      continue;
    const std::vector<HeldList> alone = {{&*file->packages, file.get()}};
    mixed_majors(alone, project, sink);
    clashing(alone, project, nullptr, 0, sink);
  }
}

}  // namespace flense::lint
