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
#include "lint/readers/reader_values.h"
#include "lint/rules/cuda_tags.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// "cuda-torch", "pytorch-rocm": a part of the name is a platform for GPUs.
bool names_gpu(std::string_view name) {
  return has_part(name, "-_.", {"cuda", "rocm", "nvidia", "cudnn"});
}

/// Whether a kustomization of the project says which release it is: images: [{name, newTag}].
bool is_set_by_kustomization(const Project& project, const ImageUse& use) {
  if (use.file->kind != FileKind::kKubernetes) return false;
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kKubernetes || !file->yaml) continue;
    for (const text::YamlNode* document : file->yaml->documents)
      for (const text::YamlNode* image : (*document)["images"].items)
        if ((*image)["name"].text_or() == use.name->familiar() &&
            (image->find("newTag") != nullptr || image->find("digest") != nullptr ||
             image->find("newName") != nullptr))
          return true;
  }
  return false;
}

/// "latest", and what images call it for a kind of theirs: "latest-gpu". Of those with "py3" and
/// "devel" TensorFlow makes none since 2020.
bool is_latest(std::string_view tag) {
  return tag == "latest" || (tag.starts_with("latest-") && !has_part(tag, "-", {"py3", "devel"}));
}

/// Something renews the image by its tag, on purpose.
bool follows_tag(std::string_view file) {
  return std::ranges::any_of(std::to_array<std::string_view>(
                                 {"watchtower", "keel.sh/", "$imagepolicy",
                                  "AutoUpdate=", "containers.autoupdate", "argocd-image-updater"}),
                             [&](std::string_view word) { return file.contains(word); });
}

/// What a careful owner may leave. A script is called by hand, by somebody who sees what changes;
/// tests want to know of it. The default of an argument is for those who do not choose.
bool may_float(const ImageUse& use) {
  const SourceText& source = use.file->source;
  return is_example(source.project_path()) || is_script(use.file->kind) ||
         is_for_other_device(source.project_path()) || use.never_fetched ||
         follows_tag(source.text()) || use.file->kind == FileKind::kWorkflow || use.heads ||
         source.slice(use.span).contains('$') || source.slice(use.span).contains("{{") ||
         has_part(file_name(source.path()), "._-", {"test"}) ||
         is_chosen_floating(comments_above(source, use.span)) ||
         has_part(source.project_path(), "/._-", {"latest", "nightly", "edge", "canary"}) ||
         is_to_be_replaced(source, use.span);
}

/// No release: nothing, latest, a branch, or the kind of GPU alone.
bool names_no_release(std::string_view tag) {
  if (tag.empty()) return true;
  const std::vector<std::string_view> parts = split(tag, '-');
  const auto is_version = [](std::string_view part) {
    return part.find_first_of("0123456789") != part.npos && !part.starts_with("cu") &&
           !part.starts_with("cuda") && !part.starts_with("rocm");
  };
  if (std::ranges::any_of(parts, is_version)) return false;
  return std::ranges::any_of(
             parts, [](auto part) { return is_one_of(part, {"latest", "main", "master"}); }) ||
         std::ranges::all_of(parts, [](auto part) {
           return is_one_of(part, {"gpu", "cuda", "nvidia", "rocm", "server"});
         });
}

/// An image that images.json does not know: of launch.json (null: it is not), or for GPUs by what
/// `evidence` says.
void floating_release(const ImageUse& use, const knowledge::LaunchImageRow* row,
                      std::string evidence, FindingSink& sink) {
  const ImageName& name = *use.name;
  if (!name.digest.empty() || !names_no_release(name.tag) ||
      has_part(name.tag, "-", {"cpu", "xpu", "intel", "gaudi", "hpu", "neuron", "llamacpp"}))
    return;
  Finding& found = sink.add(
      "gpu-image-floating", *use.file, use.span,
      fmt::format("{}{} may be of another CUDA or ROCm, and need a newer driver, after the next "
                  "release",
                  name.familiar(), name.tag.empty() ? " without a tag" : ":" + name.tag));
  found.evidence = {std::move(evidence)};
  // "turing-latest" is turing-VERSION, "latest-rocm" VERSION-rocm.
  constexpr std::string_view kLatest = "latest";
  std::string release = name.tag;
  if (const std::size_t at = release.find(kLatest); at != release.npos)
    release.replace(at, kLatest.size(), "VERSION");
  else
    release = name.tag == "rocm" ? "VERSION-rocm" : "VERSION";
  found.fix = fmt::format("write a release: {}:{}", name.familiar(), release);
  // Of others' images only their owners know what their tags mean; a server for every vendor brings
  // libraries for several drivers.
  found.pedantic = row == nullptr || row->vendor.empty() || may_float(use);
}

/// What a service or a container with GPUs starts.
void floating_start(const ImageUse& use, const Workload& workload, FindingSink& sink) {
  const knowledge::LaunchImageRow* row = known_image(workload, *use.knowledge);
  const bool asks =
      !workload.gpus.empty() || (workload.runtime && workload.runtime->text == "nvidia");
  // A name without an owner is that of an image which somebody built on the machine.
  if (row != nullptr || (asks && use.name->familiar().contains('/') && !is_script(use.file->kind) &&
                         use.file->kind != FileKind::kWorkflow))
    floating_release(use, row, row != nullptr ? row->source : title(workload) + " asks for a GPU",
                     sink);
}

/// What is built on, or fetched: known by its name, or its tag names a kind of GPU. What a script
/// fetches is mostly its owner's.
void floating_name(const ImageUse& use, FindingSink& sink) {
  if (is_for_other_device(use.file->source.project_path())) return;
  const knowledge::LaunchImageRow* row = known_image(*use.name, *use.knowledge);
  const std::string& tag = use.name->tag;
  if (row != nullptr)
    floating_release(use, row, row->source, sink);
  else if ((use.image->row != nullptr || use.built != nullptr) &&
           use.name->familiar().contains('/') && has_part(tag, "-", {"gpu", "cuda", "rocm"}))
    floating_release(use, row, "tag " + tag, sink);
}

/// Of the other vendors' images only what has no tag can be told to move. False where images.json
/// does not know it, and nothing was told.
bool floating_tag(const Project& project, const ImageUse& use, FindingSink& sink) {
  const std::string& tag = use.name->tag;
  // Somebody's image for GPUs by its name: whether it has that tag at all only its owner knows.
  if (!use.image->official && use.image->repository.find('/') != std::string::npos &&
      use.name->digest.empty() && tag.empty() && use.file->dockerfile &&
      names_gpu(file_name(use.image->repository))) {
    Finding& found = sink.add(
        "gpu-image-floating", *use.file, use.span,
        fmt::format("{} without a tag means :latest, which is another CUDA or ROCm after the next "
                    "release, or none: images for GPUs often have no such tag",
                    use.name->familiar()));
    found.evidence = {"no tag is written"};
    found.fix = fmt::format("write a release: {}:VERSION", use.name->familiar());
    found.pedantic = true;
    return true;
  }
  if (!use.image->official || !use.image->vendor.known()) return false;
  if (!use.name->digest.empty() || (!use.name->tag.empty() && !is_latest(use.name->tag)) ||
      is_set_by_kustomization(project, use))
    return true;
  Finding& found = sink.add(
      "gpu-image-floating", *use.file, use.span,
      fmt::format(
          "{}{} may be of another CUDA or ROCm, and need a newer driver, after the next release",
          use.name->familiar(), use.name->tag.empty() ? " without a tag" : ":" + use.name->tag));
  found.evidence = {use.image->vendor.evidence};
  found.pedantic = may_float(use);
  constexpr std::string_view kLatest = "latest";
  found.fix = fmt::format("write a release: {}:VERSION{}", use.name->familiar(),
                          tag.empty() ? tag : tag.substr(kLatest.size()));
  if (!use.name->familiar().starts_with("nvcr.io/")) return true;
  found.message = fmt::format("{} has no tag latest: the pull ends with \"manifest unknown\"",
                              use.name->familiar());
  found.evidence.push_back("triton-inference-server/server#5359");
  return true;
}

void judge_use(const Project& project, const ImageUse& use, const BuiltNames& own,
               FindingSink& sink) {
  if (is_cuda_tag(use)) return judge_cuda_tag(use, sink);
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
            view.project->knowledge, unused ? unused->instead : std::string(),
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
