// A torch for which no index is named, in an image that has no GPU: PyPI's is for CUDA.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/open_torch.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool asks_for_gpu(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    // docker-compose.gpu.yml, however it asks.
    if (file->kind == FileKind::kCompose &&
        has_part(file_name(file->source.path()), "._-", {"gpu"}))
      return true;
    return std::ranges::any_of(file->workloads,
                               [](const Workload& one) { return !one.gpus.empty(); });
  });
}

/// A base of a distribution or of Python alone: others may hold anything.
bool is_plain_base(const StageView& stage) {
  const std::string& repository = stage.image.repository;
  // Somebody's for PyTorch, on whatever distribution.
  if (repository.contains('/') && (repository.contains("torch") || repository.contains("neuron")))
    return false;
  return stage.image.distribution.known() || repository.find('/') == std::string::npos ||
         repository == "tensorflow/tensorflow" || repository.contains("ascend");
}

/// Another stage's or image's packages, which may hold a torch: site-packages, an environment, or
/// the directory around them.
bool copies_packages(const FileView& view, std::size_t stage) {
  return std::ranges::any_of(view.dockerfile->lineage(stage), [&](std::size_t one) {
    return std::ranges::any_of(
        view.dockerfile->stages[one].instructions, [](const Instruction& copy) {
          return copy.copies() && copy.flag("from") != nullptr && copy.words.size() > 1 &&
                 std::ranges::any_of(copy.words, [](const Word& word) {
                   const std::string_view text = word.text;
                   return is_one_of(text, {"/", "/usr", "/usr/", "/usr/local", "/usr/local/",
                                           "/opt", "/opt/", "/usr/local/lib", "/usr/local/lib/",
                                           "/root/.local"}) ||
                          text.contains("-packages") || text.contains("env") ||
                          text.contains("conda") || text.contains("lib/python");
                 });
        });
  });
}

/// Files that a Dockerfile for GPUs, or on a base of which nobody knows, installs: one that another
/// installs too has to serve both.
std::set<const ProjectFile*> lists_of_gpu_images(const std::vector<FileView>& views) {
  std::set<const ProjectFile*> out;
  for (const FileView& view : views) {
    // Another stage may take over what a plain one installs.
    const bool gpu = std::ranges::any_of(
        view.stages, [](const StageView& stage) { return stage.image.vendor.known(); });
    for (const Install& install : view.installs)
      if (gpu || !is_plain_base(view.stages[install.stage]))
        out.insert(install.files.begin(), install.files.end());
  }
  return out;
}

/// Whether the stage says that its programs compute on the processor.
bool is_for_processor(const FileView& view, const StageView& stage) {
  if (is_for_other_device(view.file->source.project_path())) return true;
  return std::ranges::any_of(stage.stage->environment, [](const auto& variable) {
    const auto& [name, value] = variable;
    if (!value) return false;
    return name == "CUDA_VISIBLE_DEVICES" ? value->empty() || *value == "-1"
                                          : name.ends_with("DEVICE") && *value == "cpu";
  });
}

/// A list that pip or uv itself resolves, with what its packages require.
bool is_pip(const PlacedList& place) {
  const PackageManager manager = place.install->command.manager;
  return (manager == PackageManager::kPip || manager == PackageManager::kUv) &&
         place.install->command.verb == "install" && place.file->kind != FileKind::kUvLock &&
         place.file->kind != FileKind::kPyproject;
}

/// Wheels for CUDA 10 hold less, and no libraries come beside them.
bool is_large(const knowledge::DefaultVariantRow* row, bool fixed) {
  return row == nullptr ? !fixed : first_number(knowledge::cuda_of_variant(row->variant)) >= 11;
}

/// What a command for torch alone would ask for, where the list asks for other packages too, which
/// that index has not: "torch==2.6.0 torchvision"; empty: it does not.
std::string torch_alone(const PackageList& list) {
  std::string out;
  bool others = !list.requirement_files.empty();
  for (const PackageRequest& request : list.packages) {
    if (request.name != "torch" && !is_companion(request.name)) {
      others = true;
      continue;
    }
    if (!out.empty()) out += ' ';
    // Bounds in quotes, or the shell takes them for redirections.
    out += request.specifier.empty() || request.specifier.starts_with("==")
               ? request.name + request.specifier
               : fmt::format("\"{}{}\"", request.name, request.specifier);
  }
  return others ? out : std::string();
}

void implicit_index(const Project& project, const std::set<const ProjectFile*>& of_gpu_images,
                    const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || place.list->manager == PackageManager::kConda) return;
  const StageView& stage = place.view->stages[place.install->stage];
  if (stage.image.vendor.known() || stage.image.platform == "jetson" || !is_plain_base(stage) ||
      of_gpu_images.contains(place.file))
    return;
  // --nv gives every container the GPU, whatever it was built on.
  if (place.view->is_definition() && !place.view->for_gpu && !stage.stage->image) return;
  // Another stage says what the file is for.
  for (const StageView& other : place.view->stages)
    if (other.image.vendor.known()) return;
  if (stage.stage->environment.contains("NVIDIA_VISIBLE_DEVICES") ||
      stage.image.distribution.value == "alpine")
    return;
  // PyPI's torch for Arm is mostly for the processor; what an earlier step brought is kept.
  if (is_for_arm(*place.view, stage) || gets_torch(project, place, true) ||
      copies_packages(*place.view, stage.index) ||
      may_have_other_index(*place.view, *place.install))
    return;
  // The command decides where its files come from.
  if (!place.install->command.indexes.empty() || !place.list->indexes.empty()) return;
  for (const std::string& option : place.install->command.options)
    if (option.starts_with("--torch-backend")) return;
  // Its last torch is smaller, and the other index lacks what that requires.
  const std::string python =
      python_of({place.view, stage.index, place.install, &place.install->command});
  if (!python.empty() && compare_versions(python, "3.8") < 0) return;
  // What requires torch brings it where nothing else does.
  const bool named = place.list->find("torch") != nullptr ||
                     place.list->find("torchvision") != nullptr ||
                     place.list->find("torchaudio") != nullptr;
  const bool bare = place.install->command.has_option("--no-deps") || !is_pip(place) ||
                    !knows_all_installs(*place.view, place.install->stage);
  for (const PackageRequest& request : place.list->packages) {
    const bool brings = !named && !bare && brings_torch(request.name) && request.marker.empty();
    if ((request.name != "torch" && !brings) || !request.index.empty() || !request.url.empty() ||
        (!brings && !knowledge::local_version(request.version).empty()))
      continue;
    const bool fixed = !brings && !request.version.empty();
    const auto* row = fixed ? tables_of(project).default_variant(request.version)
                            : newest_torch_for(*project.knowledge, python);
    const bool processor = is_for_processor(*place.view, stage);
    Finding& found = sink.add(
        "torch-index-implicit", *place.file, request.span,
        fmt::format("on Linux {} {} build of {}, and {}",
                    brings ? fmt::format("the torch that {} brings is", request.name)
                           : std::string("this torch is"),
                    row == nullptr || !fixed ? std::string("a CUDA") : "the " + row->variant,
                    is_large(row, fixed) ? "several GB" : "more than 1 GB",
                    processor ? "the image is for no GPU of NVIDIA's" : "nothing here uses a GPU"));
    found.evidence = {row == nullptr ? "framework_builds.json, pypi" : row->source};
    if (brings)
      found.evidence.push_back(fmt::format("package index: {} requires torch", request.name));
    found.fix =
        "say which: --index-url https://download.pytorch.org/whl/cpu, or the index of a CUDA with "
        "a base for GPUs";
    if (place.file->kind == FileKind::kPyproject || place.file->kind == FileKind::kUvLock)
      found.fix =
          "name torch's index in pyproject.toml (uv: tool.uv.sources), "
          "https://download.pytorch.org/whl/cpu for the processor, and lock anew";
    else if (brings)
      found.fix =
          "install torch first: pip install torch --index-url https://download.pytorch.org/whl/cpu";
    else if (const std::string own = torch_alone(*place.list); !own.empty())
      found.fix = fmt::format(
          "install torch first, in a command of its own: pip install {} --index-url "
          "https://download.pytorch.org/whl/cpu",
          own);
    if (fixed && place.install->command.installs_anew())
      found.fix = fmt::format(
          "write {}=={}+cpu, with --extra-index-url https://download.pytorch.org/whl/cpu",
          request.name, request.version);
    // Without a word about processors, the GPU may be asked for elsewhere.
    found.pedantic = !processor || !is_sure(place, request);
    if (brings) return;  // it comes once
  }
}

}  // namespace

void judge_torch_index(const Project& project, const std::vector<FileView>& views,
                       FindingSink& sink) {
  const bool gpu_asked = asks_for_gpu(project);
  const std::set<const ProjectFile*> of_gpu_images = lists_of_gpu_images(views);
  for (const PlacedList& place : placed_lists(project, views))
    if (!gpu_asked ||
        (place.view != nullptr && is_for_other_device(place.view->file->source.project_path())))
      implicit_index(project, of_gpu_images, place, sink);
}

}  // namespace flense::lint
