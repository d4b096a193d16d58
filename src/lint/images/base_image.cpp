// The image a stage begins with, or a service starts: its tag, whether it floats, and musl.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/own_images.h"
#include "lint/facts/purpose.h"
#include "lint/facts/rolling_images.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/images/cuda_tags.h"
#include "lint/images/floating_images.h"
#include "lint/images/publisher_tags.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

void judge_use(const Project& project, const ImageUse& use, const BuiltNames& own,
               FindingSink& sink) {
  if (is_cuda_tag(use)) return judge_cuda_tag(use, sink);
  if (judge_publisher_tag(use, sink)) return;
  if (!floating_tag(project, use, sink) && !own.has_repository(*use.name)) floating_name(use, sink);
}

/// A command that looks at the machine once: nvidia-smi, rocminfo.
bool only_looks(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  if (words.empty()) return false;
  const std::string_view program = file_name(words.front().text);
  return is_one_of(program, {"nvidia-smi", "rocm-smi", "rocminfo", "amd-smi", "hipconfig", "nvcc",
                             "clinfo", "deviceQuery", "sleep"}) ||
         (program.starts_with("python") && words.size() > 1 && words[1].text == "-c");
}

/// Fetches a model, without a GPU: the CUDA is of no concern.
bool only_downloads(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  return workload.gpus.empty() && std::ranges::any_of(words, [](const Word& word) {
           return word.text == "download" ||
                  std::ranges::any_of(
                      std::to_array<std::string_view>({"_download", "download_", " download "}),
                      [&](std::string_view part) { return holds(word.text, part); });
         });
}

/// An image for NVIDIA's GPUs where AMD's are asked for: it is not that image that is to be pinned.
bool is_for_other_vendor(const Workload& workload, const GpuImage& image) {
  return image.vendor.value == "nvidia" && !workload.gpus.empty() &&
         std::ranges::all_of(workload.gpus, [](const GpuAsk& ask) { return ask.vendor == "amd"; });
}

/// The service or container takes what the machine has.
bool is_never_fetched(const Workload& workload) {
  if (workload.node == nullptr) return false;
  return (*workload.node)["pull_policy"].text_or() == "never" ||
         (*workload.node)["imagePullPolicy"].text_or() == "Never";
}

/// Images that services, pods and command lines start.
void started_images(const Project& project, const BuiltNames& own, FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads) {
      // A service that builds gives its own image a name, which others may start.
      if (!workload.image_name || workload.build_context || workload.image.span.empty() ||
          own.contains(*workload.image_name))
        continue;
      const GpuImage image = describe_image(*workload.image_name, project.knowledge->images);
      if (image.repository != "nvidia/cuda" &&
          (only_looks(workload) || only_downloads(workload) || is_for_processor(workload) ||
           is_for_other_vendor(workload, image)))
        continue;
      ImageUse use{file.get(), workload.image.span, &*workload.image_name,
                   &image,     project.knowledge,   {}};
      use.looks = only_looks(workload);
      use.never_fetched = is_never_fetched(workload);
      if (is_cuda_tag(use) || (image.official && image.vendor.known()))
        judge_use(project, use, own, sink);
      else if (!is_set_by_kustomization(project, use) && !own.has_repository(*workload.image_name))
        floating_start(use, workload, sink);
    }
}

/// Images that are fetched, or that CI jobs run in.
void named_images(const Project& project, const BuiltNames& own, FindingSink& sink) {
  for (const auto& file : project.files)
    for (const NamedImage& one : file->names.images) {
      if (own.contains(one.name)) continue;
      const GpuImage image = describe_image(one.name, project.knowledge->images);
      const ImageUse use{file.get(), one.text.span, &one.name, &image, project.knowledge, {}};
      judge_use(project, use, own, sink);
    }
}

using GivenBases = std::set<const Stage*>;  ///< of which a file of the project gives an argument
/// A Dockerfile's bases with the arguments that a bake target or a Compose service gives.
void given_bases(const Project& project, const ProjectFile& file, const std::string& dockerfile,
                 const std::vector<std::pair<Word, Word>>& args, const BuiltNames& own,
                 GivenBases& given, FindingSink& sink) {
  const ProjectFile* built = project.find(dockerfile);
  if (built == nullptr || !built->dockerfile) return;
  Environment environment;
  for (const Instruction& global : built->dockerfile->globals)
    for (const KeyValue& pair : global.pairs)
      environment[pair.key.text] =
          pair.value ? expand(pair.value->text, environment) : std::nullopt;
  for (const auto& [name, value] : args)
    if (environment.contains(name.text)) environment[name.text] = interpolate(value.text);
  for (const Stage& stage : built->dockerfile->stages) {
    if (stage.parent) continue;
    const auto at = std::ranges::find_if(
        args, [&](const auto& arg) { return uses_variable(stage.base.text, arg.first.text); });
    if (at != args.end()) given.insert(&stage);
    const auto text = expand(stage.base.text, environment);
    const auto name = at == args.end() || !text ? std::nullopt : parse_image_name(*text);
    if (!name || at->second.span.empty()) continue;
    const GpuImage image = describe_image(*name, project.knowledge->images);
    ImageUse use{&file, at->second.span, &*name, &image, project.knowledge, {}};
    use.built = built;
    if (!file.source.slice(use.span).contains(image.cuda.value)) use.pattern = stage.base.text;
    judge_use(project, use, own, sink);
  }
}

GivenBases given_arguments(const Project& project, const BuiltNames& names, FindingSink& sink) {
  GivenBases given;
  for (const auto& file : project.files) {
    const std::string own = directory_of(file->source.path());
    for (const BuildTarget& target : file->targets)
      given_bases(
          project, *file,
          path_below(path_below(own, target.context.text.empty() ? "." : target.context.text),
                     target.dockerfile.text.empty() ? "Dockerfile" : target.dockerfile.text),
          target.args, names, given, sink);
    // Command lines begin at the root of the checkout, or at the script.
    std::string root = file->source.path();
    root.resize(root.size() - std::min(root.size(), file->source.project_path().size()));
    if (root.empty()) root = ".";
    const auto command_line = [&](const BuildTarget& build) {
      for (const std::string& start : {root, std::string("."), own}) {
        const std::string path =
            build.dockerfile.text.empty()
                ? path_below(path_below(start, build.context.text), "Dockerfile")
                : path_below(start, build.dockerfile.text);
        if (project.find(path) == nullptr) continue;
        return given_bases(project, *file, path, build.args, names, given, sink);
      }
    };
    for (const BuildTarget& build : file->names.builds) command_line(build);
    for (const BuildTarget& build : file->names.matrix_builds) command_line(build);
    for (const Workload& workload : file->workloads) {
      if (!workload.build_context) continue;
      given_bases(project, *file,
                  path_below(path_below(own, workload.build_context->text),
                             workload.dockerfile ? workload.dockerfile->text : "Dockerfile"),
                  build_arguments(workload), names, given, sink);
    }
  }
  return given;
}

void musl_base(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.own_base || stage.image.distribution.value != "alpine") return;
  for (const Install& install : view.installs) {
    const auto lineage = view.dockerfile->lineage(install.stage);
    if (std::ranges::find(lineage, stage.index) == lineage.end()) continue;
    for (const PackageList* list : lists_of(install)) {
      if (list->manager == PackageManager::kConda) continue;
      for (const PackageRequest& request : list->packages) {
        if (!is_gpu_package(request.name)) continue;
        Finding& found = sink.add(
            "musl-base-gpu", *view.file, stage.stage->base.span,
            fmt::format("{} has no build for musl, and this base is Alpine", request.name));
        found.evidence = {stage.image.distribution.evidence,
                          "PEP 600 and PEP 656: manylinux wheels need glibc; neither CUDA nor the "
                          "driver's libraries exist for musl"};
        found.pedantic = !surely_installs(view, install, *list, request);
        const std::string& tag = stage.stage->image ? stage.stage->image->tag : "";
        if (const std::size_t at = tag.find("-alpine");
            stage.image.repository == "python" && at != tag.npos)
          found.fix = fmt::format("begin with python:{}-slim", tag.substr(0, at));
        return;
      }
    }
  }
  for (const StageView& user : view.stages) {
    const auto lineage = view.dockerfile->lineage(user.index);
    if (std::ranges::find(lineage, stage.index) == lineage.end()) continue;
    for (const Instruction& copy : user.stage->instructions) {
      const auto from = view.dockerfile->copied_from(copy);
      if (!from || view.stages[*from].image.repository != "nvidia/cuda" || copy.words.empty())
        continue;
      Finding& found = sink.add(
          "musl-base-gpu", *view.file, copy.words.front().span,
          "what was built on glibc in a CUDA image is copied to Alpine, whose libc is musl");
      found.evidence = {stage.image.distribution.evidence,
                        "PEP 600 and PEP 656: manylinux wheels need glibc; neither CUDA nor the "
                        "driver's libraries exist for musl"};
      found.pedantic = true;  // it may be a static program, or no program
    }
  }
}

}  // namespace

void judge_base_image(const Project& project, const std::vector<FileView>& views,
                      FindingSink& sink) {
  const BuiltNames own(project);
  const GivenBases given = given_arguments(project, own, sink);
  for (const FileView& view : views) {
    for (const StageView& stage : view.stages) {
      if (stage.own_base && stage.stage->image) {
        const auto unused = &stage == final_base(view) ? unused_cuda_of(view) : std::nullopt;
        ImageUse use{
            view.file, stage.stage->base.span, &*stage.stage->image, &stage.image,
            view.project->knowledge,
            unused && !unused->package.empty() ? unused->instead : std::string(),
            takes_heads(view, stage),
            // Nothing is built on a stage without a name that none needs.
            given.contains(stage.stage) || (!stage.reachable && stage.stage->name.empty())};
        use.built = view.file;
        judge_use(project, use, own, sink);
      }
      musl_base(view, stage, sink);
    }
  }
  started_images(project, own, sink);
  named_images(project, own, sink);
}

}  // namespace flense::lint
