#include "lint/images/floating_images.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/purpose.h"
#include "lint/facts/rolling_images.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// "cuda-torch", "pytorch-rocm": a part of the name is a platform for GPUs.
bool names_gpu(std::string_view name) {
  return has_part(name, "-_.", {"cuda", "rocm", "nvidia", "cudnn"});
}

/// No release: nothing, latest, a branch, what is built each night, or the kind of GPU alone.
bool names_no_release(std::string_view tag) {
  if (tag.empty()) return true;
  const std::vector<std::string_view> parts = split(tag, '-');
  const auto is_version = [](std::string_view part) {
    return part.find_first_of("0123456789") != part.npos && !part.starts_with("cu") &&
           !part.starts_with("cuda") && !part.starts_with("rocm") && part != "aarch64";
  };
  if (std::ranges::any_of(parts, is_version)) return false;
  return std::ranges::any_of(parts,
                             [](auto part) {
                               return is_one_of(part,
                                                {"latest", "main", "master", "nightly", "dev"});
                             }) ||
         std::ranges::all_of(parts, [](auto part) {
           return is_one_of(part, {"gpu", "cuda", "nvidia", "rocm", "server"});
         });
}

bool is_nightly(std::string_view tag) {
  return has_part(tag, "-", {"nightly"}) && names_no_release(tag);
}

/// "latest", "nightly", and what images call it for a kind of theirs: "latest-gpu". Of those with
/// "py3" and "devel" TensorFlow makes none since 2020.
bool is_latest(std::string_view tag) {
  return tag == "latest" || is_nightly(tag) ||
         (tag.starts_with("latest-") && !has_part(tag, "-", {"py3", "devel"}));
}

/// "latest-rocm" as VERSION-rocm, "cu130-nightly" as cu130-VERSION, "main-cuda" as VERSION-cuda;
/// of a kind of GPU alone where the number stands nobody knows.
std::string as_release(std::string tag) {
  for (const std::string_view moving : {"latest", "nightly", "main", "master"})
    if (const std::size_t at = tag.find(moving); at != tag.npos)
      return tag.replace(at, moving.size(), "VERSION");
  if (tag.empty() || tag == "dev") return "VERSION";
  return tag == "rocm" ? "VERSION-rocm" : fmt::format("VERSION, of the kind {}", tag);
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
  found.fix = fmt::format("write a release: {}:{}", name.familiar(), as_release(name.tag));
  // Of others' images only their owners know what their tags mean; a server for every vendor brings
  // libraries for several drivers.
  // Who names a nightly wants what is new.
  found.pedantic = row == nullptr || row->vendor.empty() || may_float(use) ||
                   has_part(name.tag, "-", {"nightly", "dev"});
}

}  // namespace

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

/// What a script fetches is mostly its owner's.
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

/// Of the other vendors' images only what has no tag can be told to move.
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
  const bool nightly = is_nightly(tag);
  found.pedantic = nightly || may_float(use);
  found.fix = fmt::format("write a release: {}:{}", use.name->familiar(), as_release(tag));
  if (nightly || !use.name->familiar().starts_with("nvcr.io/")) return true;
  found.message = fmt::format("{} has no tag latest: the pull ends with \"manifest unknown\"",
                              use.name->familiar());
  found.evidence.push_back("triton-inference-server/server#5359");
  return true;
}

}  // namespace flense::lint
