// torch and what belongs to its release: torchvision and torchaudio of another torch.
#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

/// The release that "==1.11" fixes: "1.11.0".
std::string release_of(const PackageRequest& request) {
  std::string plain = without_local(request.version);
  if (std::ranges::count(plain, '.') == 1 && is_version(plain) && !request.specifier.contains('*'))
    plain += ".0";
  return plain;
}

/// torchvision and torchaudio of one list whose wheels require another torch than the list's.
void companions(const Project& project, const PackageList& list, const ProjectFile& file,
                FindingSink& sink) {
  const PackageRequest* torch = list.find("torch");
  if (torch == nullptr || torch->version.empty() || file.kind == FileKind::kUvLock ||
      torch->manager == PackageManager::kConda)
    return;
  // Another vendor's builds, whose releases go together otherwise: 2.9.1+rocm7.2.1.lw.gitff65f5bc.
  if (is_for_other_device(file.source.project_path()) || torch->version.contains(".git") ||
      std::ranges::any_of(list.packages, [](const PackageRequest& request) {
        return is_one_of(request.name, {"torch-npu", "torch-mlu", "torch-musa"});
      }))
    return;
  // Not every release has wheels for Arm.
  const bool arm = names_arm(file.source.project_path());
  const std::string plain = release_of(*torch);
  const PackageRequest* first = nullptr;
  std::string made_for, evidence, fix;
  for (const PackageRequest& request : list.packages) {
    if (!is_companion(request.name) || request.version.empty() || request.group != torch->group ||
        !request.marker.empty() || !torch->marker.empty())
      continue;
    const TorchOf needed = torch_of(*project.knowledge, request.name, release_of(request));
    const std::string fitting = companion_of(*project.knowledge, request.name, plain);
    // torchaudio 2.11 is for every newer torch.
    if (needed.torch.empty() || fitting.empty() || needed.torch == plain ||
        fitting == release_of(request) ||
        (major_minor(needed.torch) == major_minor(plain) &&
         (arm || request.manager == PackageManager::kConda)))  // which pip does not ask
      continue;
    // The others of the list have the same cause.
    if (first == nullptr) {
      first = &request;
      made_for = needed.torch;
      evidence = needed.source;
    }
    fix += fmt::format("{}{}=={}", fix.empty() ? "write " : ", ", request.name, fitting);
  }
  if (first == nullptr) return;
  Finding& found =
      sink.add("torch-companion-mismatch", file, first->span,
               fmt::format("{} {} is made for torch {}, and this asks for torch {}: pip finds no "
                           "solution, or the import fails",
                           first->name, first->version, made_for, torch->version));
  found.evidence = {evidence};
  found.fix = arm ? "write versions of one release that have wheels for Arm" : fix;
}

/// The newest torchaudio requires no torch: it comes beside any.
void newest_torchaudio(const Project& project, const PlacedList& place, FindingSink& sink) {
  constexpr std::string_view kFirst = "2.11";  // torchaudio that is for every later torch
  if (place.view == nullptr) return;
  const PackageList& list = *place.list;
  const PackageRequest *torch = list.find("torch"), *audio = list.find("torchaudio");
  if (torch == nullptr || audio == nullptr || torch->version.empty() || !audio->specifier.empty() ||
      torch->manager == PackageManager::kConda || !torch->url.empty() || !audio->url.empty() ||
      !audio->index.empty() || torch->group != audio->group ||
      place.file->kind == FileKind::kUvLock)
    return;
  const std::string plain = without_local(torch->version);
  // "stable" of an argument is none.
  if (!is_version(plain) || compare_versions(plain, kFirst) >= 0) return;
  for (const PackageList* one : {&list, &place.install->command})
    for (const Word& index : one->indexes) {
      const std::string variant = variant_of_index(index.text);
      const std::string last = last_torch_of(*project.knowledge, variant, {});
      // Indexes that got no such torchaudio, and those of which nothing is known.
      if (variant != "cpu" &&
          (!variant.starts_with("cu") || (!last.empty() && compare_versions(last, kFirst) < 0)))
        return;
    }
  const std::string& python = place.view->stages[place.install->stage].image.python.value;
  if (!python.empty() && compare_versions(python, "3.10") < 0) return;
  Finding& found = sink.add(
      "torch-companion-mismatch", *place.file, audio->span,
      fmt::format("torchaudio without a version is the newest, which asks for no torch and "
                  "is built for {} and later: beside torch {} the import fails",
                  kFirst, torch->version));
  found.severity = Severity::kWarning;
  found.evidence = {fmt::format("torch{}", torch->specifier),
                    "rsxdalv/TTS-WebUI#651, huggingface/transformers#46594"};
  const std::string fitting = companion_of(*project.knowledge, "torchaudio", plain);
  found.fix = fmt::format("write torchaudio=={}", fitting.empty() ? plain : fitting);
  found.pedantic = python.empty() || !is_sure(place, *audio);
}

/// Packages that bring the torch that they are made for.
bool decides_torch(const PackageRequest& request) {
  return is_one_of(request.name,
                   {"vllm", "sglang", "sgl-kernel", "lmdeploy", "xformers", "tensorrt-llm",
                    "torchtext", "fbgemm-gpu", "torchrec", "unsloth", "vllm-omni"}) ||
         (is_companion(request.name) && !request.version.empty());
}

/// The one torch that a list's environment has, or the list itself where no stage has it; empty:
/// several, or one that is not known.
std::string torch_beside(const PlacedList& place) {
  std::set<std::string> minors;
  std::string out;
  const auto take = [&](const PackageList& list) {
    for (const PackageRequest& request : list.packages) {
      if (!is_one_of(request.name, {"torch", "pytorch"})) continue;
      const std::string plain = without_local(request.version);
      minors.insert(is_version(plain) && request.marker.empty() ? major_minor(plain)
                                                                : std::string());
      out = plain;
    }
  };
  if (place.view == nullptr) {
    take(*place.list);
  } else {
    const std::string environment = own_environment(*place.install);
    const std::size_t stage = place.install->stage;
    bool open = false;  // what else comes may bring another torch
    for (const Install* install : place.view->installs_in(stage)) {
      if (own_environment(*install) != environment) continue;
      bool fixed = false, decides = false;
      for (const PackageList* list : lists_of(*install)) {
        take(*list);
        const PackageRequest* torch = list->find("torch");
        fixed = fixed || (torch != nullptr && !torch->version.empty());
        decides = decides || std::ranges::any_of(list->packages, decides_torch);
      }
      open = open || (decides && !fixed);
    }
    if (open || uninstalls(*place.view, stage, "torch")) return {};
    const GpuImage& base = place.view->stages[stage].image;
    if (minors.empty() && environment.empty() && base.framework.value == "torch" &&
        base.framework_version.known()) {
      // A project or a list that is not known may replace the base's.
      if (!knows_all_installs(*place.view, stage)) return {};
      out = base.framework_version.value;
      minors.insert(major_minor(out));
    }
  }
  return minors.size() == 1 && !minors.contains("") ? out : std::string();
}

/// torchcodec is built for one torch, and its wheels do not say so: pip takes any.
void codec(const Project& project, const PlacedList& place, FindingSink& sink) {
  const PackageRequest* asked = place.list->find("torchcodec");
  if (asked == nullptr || !is_version(without_local(asked->version)) || !asked->marker.empty() ||
      asked->manager == PackageManager::kConda || place.file->kind == FileKind::kUvLock)
    return;
  const TorchOf needed = torch_of_codec(*project.knowledge, asked->version);
  const std::string torch = torch_beside(place);
  if (needed.torch.empty() || torch.empty() || major_minor(torch) == needed.torch) return;
  Finding& found = sink.add(
      "torch-companion-mismatch", *place.file, asked->span,
      fmt::format("torchcodec {} is built for torch {}, and here torch is {}: it does not load",
                  asked->version, needed.torch, torch));
  found.evidence = {needed.source};
  const std::string fitting = codec_of(*project.knowledge, torch);
  found.fix = fitting.empty() ? fmt::format("take torch {}", needed.torch)
                              : fmt::format("write torchcodec=={}.*", fitting);
  found.pedantic = place.install != nullptr && place.install->conditional &&
                   place.list->find("torch") == nullptr;
}

/// Wheels of PyG's extensions, which data.pyg.org builds for each torch and CUDA.
bool is_of_pyg(std::string_view package) {
  return is_one_of(
      package, {"torch-scatter", "torch-sparse", "torch-cluster", "torch-spline-conv", "pyg-lib"});
}

/// The torch of the place: the base's own, or the one that the stage installs; empty: not known.
struct TorchHere {
  std::string version, variant;  ///< "2.0.1", "cu117"
};
/// "cu117" of "11.7.1".
std::string variant_of_cuda(std::string_view cuda) {
  std::string out = "cu" + major_minor(cuda);
  std::erase(out, '.');
  return out;
}
TorchHere torch_here(const Project& project, const PlacedList& place) {
  const StageView& stage = place.view->stages[place.install->stage];
  const TorchInstalls found =
      torch_installs(project, *place.view, stage, own_environment(*place.install));
  if (found.torch.empty())
    return stage.image.framework.value == "torch" && stage.image.framework_version.known() &&
                   stage.image.cuda.known()
               ? TorchHere{torch_beside(place), variant_of_cuda(stage.image.cuda.value)}
               : TorchHere{};
  const TorchInstall& last = found.torch.back();
  const bool one = std::ranges::all_of(found.torch, [&](const TorchInstall& other) {
    return other.torch.variant.value == last.torch.variant.value;
  });
  return one && last.sure ? TorchHere{torch_beside(place), last.torch.variant.value} : TorchHere{};
}

/// Links to extensions that are built for another torch than the one that is there.
void extension_links(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !place.view->stages[place.install->stage].reachable) return;
  const auto asked = std::ranges::find_if(
      place.list->packages, [](const PackageRequest& one) { return is_of_pyg(one.name); });
  if (asked == place.list->packages.end()) return;
  const Word* link = nullptr;
  for (const PackageList* list : {place.list, &place.install->command})
    for (const Word& index : list->indexes) {
      if (torch_of_links(index.text).empty()) continue;
      if (link != nullptr && link->text != index.text) return;
      link = &index;
    }
  if (link == nullptr) return;
  const std::string torch = torch_of_links(link->text), variant = variant_of_index(link->text);
  const TorchHere here = torch_here(project, place);
  const std::string cuda = knowledge::cuda_of_variant(here.variant);
  std::string what, rest;
  bool sure = true;
  if (variant == "cpu" && !cuda.empty()) {
    what = "the processor";
    rest = "its operators end with \"Not compiled with CUDA support\"";
  } else if (!here.version.empty() && major_minor(here.version) != major_minor(torch)) {
    what = "torch " + torch;
    rest = "it does not load";
    // Of older links pip passes over the wheels, for PyPI has newer sources.
    sure = !asked->version.empty() || version_at_least(torch, "2.0");
  } else if (const std::string wanted = knowledge::cuda_of_variant(variant);
             !here.version.empty() && !cuda.empty() && !wanted.empty() && wanted != cuda) {
    what = "CUDA " + wanted;
    rest = "the import ends with \"compiled with different CUDA versions\"";
    // The later ones compare the majors alone.
    sure = first_number(wanted) != first_number(cuda);
  }
  if (what.empty()) return;
  const bool own = link >= place.list->indexes.data() &&
                   link < place.list->indexes.data() + place.list->indexes.size();
  Finding& found = sink.add(
      "wheel-cuda-mismatch", own ? *place.file : *place.view->file, link->span,
      fmt::format("these wheels of {} are built for {}, and torch here is {}{}: {}", asked->name,
                  what, here.version.empty() ? "" : here.version + ", ", here.variant, rest));
  found.evidence = {link->text, "PyG documentation, Installation: wheels for each torch and CUDA"};
  found.fix = fmt::format("write torch-{}+{}.html", here.version.empty() ? torch : here.version,
                          here.variant);
  found.pedantic = !sure || place.install->conditional;
}

}  // namespace

void judge_versions_torch(const Project& project, const std::vector<FileView>& views,
                          FindingSink& sink) {
  std::set<const PackageList*> seen;
  for (const PlacedList& place : placed_lists(project, views)) {
    if (!seen.insert(place.list).second) continue;
    companions(project, *place.list, *place.file, sink);
    newest_torchaudio(project, place, sink);
    codec(project, place, sink);
    extension_links(project, place, sink);
  }
}

}  // namespace flense::lint
