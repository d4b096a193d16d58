// Versions that must match: the CUDA of torch, of its index and of the base.
#include <algorithm>
#include <set>
#include <utility>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

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

/// --extra-index-url of a list, beside PyPI alone; null: none, or there are others.
const Word* additive_index_of(const PlacedList& place) {
  const PackageList& list = *place.list;
  const bool command = !list.program.empty();
  if (command && list.manager != PackageManager::kPip) return nullptr;
  if (!command && place.file->kind != FileKind::kRequirements) return nullptr;
  const Word* extra = nullptr;
  for (const Word& index : list.indexes) {
    const Span before{index.span.begin < 20 ? 0 : index.span.begin - 20, index.span.begin};
    if (place.file->source.slice(before).find("--extra-index-url") == std::string_view::npos ||
        variant_of_index(index.text).empty())
      return nullptr;
    extra = &index;
  }
  return extra;
}

/// What PyPI's torch is beside that of an index for `variant`.
std::string_view pypi_against(std::string_view variant) {
  return variant.starts_with("cu") ? "of another CUDA" : "built for CUDA";
}

/// Why pip takes PyPI's torch although an extra index is named; empty: it may take the index's.
std::string passed_over(const Project& project, const PlacedList& place, const Word& extra) {
  const PackageRequest* torch = place.list->find("torch");
  if (torch == nullptr || !torch->specifier.empty() || !torch->index.empty() || !torch->url.empty())
    return {};
  if (extra.text.contains("/nightly"))
    return place.list->has_option("--pre") ? std::string()
                                           : "without --pre pip passes over the builds of the "
                                             "night: torch comes from PyPI, and "
                                             "this index is without effect";
  // For an older Python PyPI has older ones.
  if (place.view == nullptr) return {};
  const std::string& python = place.view->stages[place.install->stage].image.python.value;
  if (compare_versions(python, "3.10") < 0) return {};
  const std::string variant = variant_of_index(extra.text);
  const std::string last = last_torch_of(*project.knowledge, variant, python);
  if (last.empty()) return {};
  return fmt::format(
      "the last torch of {} is {}, and PyPI's is newer: pip takes that one, which is {}, and this "
      "index is without effect",
      variant, last, pypi_against(variant));
}

/// pip takes the newest of both indexes; uv asks the extra one first.
void additive_index(const Project& project, const PlacedList& place, FindingSink& sink) {
  const PackageList& list = *place.list;
  const Word* extra = additive_index_of(place);
  if (extra == nullptr) return;
  const bool command = !list.program.empty();
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
                  "PyPI's is {}",
                  loose->name, pypi_against(variant_of_index(extra->text))));
  found.evidence = {extra->text, "pixeloven/ComfyUI-Docker#47"};
  const std::string why = passed_over(project, place, *extra);
  if (!why.empty()) found.message = why;
  found.pedantic = why.empty() || place.view == nullptr || !is_sure(place, *loose);
  found.fix = fmt::format("name the index alone (--index-url), or write the variant: {}==…+{}",
                          loose->name, variant_of_index(extra->text));
  // Of a list with others, the index alone would not have those.
  if (!torch_alone && !why.empty() && extra->text.contains("/nightly"))
    found.fix = "add --pre to the command, or delete the index";
  else if (!torch_alone)
    found.fix =
        fmt::format("write the variant: {}==…+{}", loose->name, variant_of_index(extra->text));
  const std::string_view text = place.file->source.text();
  const std::size_t at = text.rfind("--extra-index-url", extra->span.begin);
  if (command && torch_alone && list.requirement_files.empty() && at != text.npos) {
    found.edits.push_back({{at, at + 17}, "--index-url"});
    found.unsafe = true;
  }
}

/// Whether something else than torch is linked with the base's CUDA: what another stage compiled
/// for GPUs, or libraries of it by the distribution's packages.
bool has_other_use(const FileView& view, std::size_t stage) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions) {
      const auto from = view.dockerfile->copied_from(copy);
      if (!from || *from >= view.stages.size() || copy.words.empty()) continue;
      const std::string& source = copy.words.front().text;
      if (view.stages[*from].image.vendor.known() && !source.contains("-packages") &&
          !source.contains("venv"))
        return true;
    }
  for (const Install* install : view.installs_in(stage))
    if (is_of_system(install->command.manager) &&
        std::ranges::any_of(install->command.packages, [](const PackageRequest& request) {
          return starts_with_any(request.name, {"libcu", "libnpp", "libnvinfer", "cuda-"});
        }))
      return true;
  return false;
}

/// Whether another install of the image, further down, puts another version in its place: that one
/// is judged itself.
bool is_replaced_later(const PlacedList& place, const Framework& one) {
  if (one.version.empty()) return false;
  for (const Install* install : place.view->installs_in(place.install->stage)) {
    if (install->instruction->keyword != Keyword::kRun ||
        install->instruction->span.begin <= place.install->instruction->span.begin ||
        is_conditional(*install) || install->command.manager != place.install->command.manager)
      continue;
    for (const PackageList* list : lists_of(*install))
      if (const PackageRequest* other = list->find(one.package);
          other != nullptr && !other->version.empty() && other->marker.empty() &&
          other->version != one.version)
        return true;
  }
  return false;
}

void wheel_against_base(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  const std::string& flavour = image.flavour.value;
  if (!image.cuda.known() || flavour == "base") return;
  const Word* extra = additive_index_of(place);
  const bool of_pypi = extra != nullptr && !passed_over(project, place, *extra).empty();
  for (const Framework& one : frameworks_of(*place.list, tables_of(project))) {
    if (of_pypi && one.package == "torch") continue;
    // pip leaves what the base holds.
    if (one.package == image.framework.value && !one.version.empty() &&
        one.version == image.framework_version.value)
      continue;
    if (one.package == "torch" && one.variant.value == "cpu" && image.vendor.value == "nvidia") {
      if (gets_torch(project, place, false)) continue;
      if (image.framework.value == "torch" && one.version.empty() &&
          meets(image.framework_version.value, one.request->specifier))
        continue;
      Finding& found =
          sink.add("wheel-cuda-mismatch", *place.file, one.request->span,
                   fmt::format("torch is a build for processors ({}), and the base is of CUDA {}: "
                               "torch.cuda.is_available() is false",
                               one.variant.value, image.cuda.value));
      found.evidence = {one.variant.evidence, image.cuda.evidence};
      found.fix = "take a wheel for CUDA, or a base without it";
      // Of a server of its own the base's CUDA is that server's.
      found.pedantic = !is_sure(place, *one.request) ||
                       has_other_cuda_user(*place.view, place.install->stage) ||
                       is_one_of(file_name(image.repository),
                                 {"tritonserver", "deepstream", "tensorrt", "tritonserver-pb"}) ||
                       has_other_use(*place.view, place.install->stage);
      continue;
    }
    const std::string wheel =
        one.variant.known() ? knowledge::cuda_of_variant(one.variant.value) : std::string();
    if (!wheel.contains('.') || one.package != "torch") continue;
    const std::string base = major_minor(image.cuda.value);
    if (wheel == base) continue;
    const bool major = first_number(wheel) != first_number(base);
    const bool devel = flavour == "devel";
    if (is_replaced_later(place, one)) continue;
    // Without a compiler, different minors of one major only waste space.
    if (!major && !devel) continue;
    // apt brings the toolkit that the wheel asks for.
    std::string dashed = wheel;
    std::ranges::replace(dashed, '.', '-');
    if (commands_mention(*place.view, place.install->stage, "cuda-toolkit-" + dashed) ||
        commands_mention(*place.view, place.install->stage, "cuda-nvcc-" + dashed))
      continue;
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
    // Where nothing compiles, each of two may have its user; else base-cuda-unused says it.
    found.pedantic = !devel || !major || !is_sure(place, *one.request);
  }
}

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
  return stage.image.distribution.known() || repository.find('/') == std::string::npos ||
         repository == "tensorflow/tensorflow" || repository.contains("ascend");
}

/// A step may name an index by pip's or uv's configuration: a file that is copied, mounted or
/// written, or `pip config set`.
bool configures_index(const FileView& view, std::size_t stage) {
  const auto is = [](std::string_view word) {
    return word.contains("pip.conf") || word.contains("pip.ini") || word.contains("uv.toml") ||
           word.ends_with("/.config/pip") || word.ends_with("/.pip");
  };
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if ((step.keyword != Keyword::kRun &&
           std::ranges::any_of(step.words, [&](const Word& word) { return is(word.text); })) ||
          std::ranges::any_of(mount_targets(step), is))
        return true;
      for (const StepCommand& command : commands_of(step))
        if ((command.program.starts_with("pip") && command.has("config")) ||
            std::ranges::any_of(command.shell->redirections,
                                [&](const auto& to) { return is(to.target.text); }) ||
            std::ranges::any_of(command.arguments,
                                [&](const Argument& word) { return is(word.text); }))
          return true;
    }
  return false;
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
  for (const FileView& view : views)
    for (const Install& install : view.installs) {
      const StageView& stage = view.stages[install.stage];
      if (stage.image.vendor.known() || !is_plain_base(stage))
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

/// By the file's name, or the platform of its stage.
bool is_for_arm(const FileView& view, const StageView& stage) {
  return has_part(view.file->source.project_path(), "/._-",
                  {"arm", "arm64", "aarch64", "arm64v8", "jetson", "m1", "apple", "mac"}) ||
         view.text(stage.stage->base.span).contains("arm64") ||
         (stage.stage->platform && stage.stage->platform->contains("arm"));
}

/// A list that pip or uv itself resolves, with what its packages require.
bool is_pip(const PlacedList& place) {
  const PackageManager manager = place.install->command.manager;
  return (manager == PackageManager::kPip || manager == PackageManager::kUv) &&
         place.install->command.verb == "install" && place.file->kind != FileKind::kUvLock &&
         place.file->kind != FileKind::kPyproject;
}

void implicit_index(const Project& project, const std::set<const ProjectFile*>& of_gpu_images,
                    const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || place.list->manager == PackageManager::kConda) return;
  const StageView& stage = place.view->stages[place.install->stage];
  if (stage.image.vendor.known() || stage.image.platform == "jetson" || !is_plain_base(stage) ||
      of_gpu_images.contains(place.file))
    return;
  // Another stage says what the file is for.
  for (const StageView& other : place.view->stages)
    if (other.image.vendor.known()) return;
  if (stage.stage->environment.contains("NVIDIA_VISIBLE_DEVICES") ||
      stage.image.distribution.value == "alpine")
    return;
  // PyPI's torch for Arm is mostly for the processor; what an earlier step brought is kept.
  if (is_for_arm(*place.view, stage) || gets_torch(project, place, true) ||
      copies_packages(*place.view, stage.index) || configures_index(*place.view, stage.index))
    return;
  // The command decides where its files come from.
  if (!place.install->command.indexes.empty() || !place.list->indexes.empty()) return;
  for (const std::string& option : place.install->command.options)
    if (option.starts_with("--torch-backend")) return;
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
    const auto* row = tables_of(project).default_variant(brings ? std::string() : request.version);
    const bool processor = is_for_processor(*place.view, stage);
    Finding& found = sink.add(
        "torch-index-implicit", *place.file, request.span,
        fmt::format("on Linux {} {} build of several GB, and {}",
                    brings ? fmt::format("the torch that {} brings is", request.name)
                           : std::string("this torch is"),
                    row == nullptr || brings || request.version.empty() ? std::string("a CUDA")
                                                                        : "the " + row->variant,
                    processor ? "the image is for no GPU of NVIDIA's" : "nothing here uses a GPU"));
    found.evidence = {row == nullptr ? "framework_builds.json, pypi" : row->source};
    if (brings)
      found.evidence.push_back(fmt::format("package index: {} requires torch", request.name));
    found.fix =
        "say which: --index-url https://download.pytorch.org/whl/cpu, or …/whl/cu128 with a base "
        "for GPUs";
    if (brings)
      found.fix =
          "install torch first: pip install torch --index-url https://download.pytorch.org/whl/cpu";
    // Without a word about processors, the GPU may be asked for elsewhere.
    found.pedantic = !processor || !is_sure(place, request);
    if (brings) return;  // it comes once
  }
}

}  // namespace

void judge_versions(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  const bool gpu_asked = asks_for_gpu(project);
  const std::set<const ProjectFile*> of_gpu_images = lists_of_gpu_images(views);
  for (const PlacedList& place : placed_lists(project, views)) {
    wheel_against_index(place, sink);
    wheel_against_base(project, place, sink);
    if (!gpu_asked ||
        (place.view != nullptr && is_for_other_device(place.view->file->source.project_path())))
      implicit_index(project, of_gpu_images, place, sink);
    additive_index(project, place, sink);
  }
}

}  // namespace flense::lint
