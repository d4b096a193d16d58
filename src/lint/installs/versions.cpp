// Versions that must match: the CUDA of torch, of its index and of the base.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

void wheel_against_index(const PlacedList& place, FindingSink& sink) {
  const bool placed = place.view != nullptr;
  if (placed && may_have_other_index(*place.view, *place.install)) return;
  std::vector<Word> indexes = place.list->indexes;
  // What the command names counts for its lists.
  if (placed && place.list != &place.install->command)
    indexes.insert(indexes.end(), place.install->command.indexes.begin(),
                   place.install->command.indexes.end());
  for (const PackageRequest& request : place.list->packages) {
    const std::string local = knowledge::local_version(request.version);
    const std::string wanted = knowledge::cuda_of_variant(local);
    if (wanted.empty() || request.name != "torch") continue;
    std::string offered;
    for (const Word& index : indexes) {
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
    found.evidence = {indexes.front().text};
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

/// Another command of the stage installs a list that is not at hand: it may hold torch.
bool has_unread_list(const PlacedList& place) {
  return std::ranges::any_of(
      place.view->installs_in(place.install->stage), [&](const Install* install) {
        return install != place.install &&
               install->command.requirement_files.size() > install->files.size();
      });
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
  // What holds torch's version, or brought it before, holds it for either index.
  if (loose == nullptr || holds_torch(list) || is_constrained(list, place.install) ||
      (place.view != nullptr && gets_torch(project, place, true)))
    return;
  Finding& found = sink.add(
      "extra-index-additive", *place.file, loose->span,
      fmt::format("{} without a version may come from either index: pip takes the newest, and "
                  "PyPI's is {}",
                  loose->name, pypi_against(variant_of_index(extra->text))));
  found.evidence = {extra->text, "pixeloven/ComfyUI-Docker#47"};
  const std::string why = passed_over(project, place, *extra);
  if (!why.empty()) found.message = why;
  found.pedantic =
      why.empty() || place.view == nullptr || !is_sure(place, *loose) || has_unread_list(place);
  found.fix = fmt::format("name the index alone (--index-url), or write the variant: {}==…+{}",
                          loose->name, variant_of_index(extra->text));
  // Of a list with others, the index alone would not have those.
  if (!torch_alone && !why.empty() && extra->text.contains("/nightly"))
    found.fix = "install torch in a command of its own with --pre, or delete the index";
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

/// In scripts and workflows, where nothing tells the Python: an index whose last torch is long old.
void additive_in_script(const Project& project, const ProjectFile& file,
                        const std::vector<ShellCommand>& commands, FindingSink& sink) {
  const std::vector<PackageList> lists = package_commands(file.source, commands, {});
  for (const PackageList& list : lists) {
    const PackageRequest* torch = list.find("torch");
    if (torch == nullptr) continue;
    if (!torch->specifier.empty() || !torch->url.empty() || holds_torch(list) ||
        is_constrained(list, nullptr))
      return;  // which then is there
    const Word* extra = additive_index_of({&list, &file, nullptr, nullptr});
    if (extra == nullptr || extra->text.contains("/nightly")) continue;
    const std::string variant = variant_of_index(extra->text);
    const std::string last = last_torch_of(*project.knowledge, variant, {});
    if (last.empty()) continue;
    Finding& found = sink.add(
        "extra-index-additive", file, torch->span,
        fmt::format("the last torch of {} is {}, and PyPI's is newer: pip takes that one, which is "
                    "{}, and this index is without effect",
                    variant, last, pypi_against(variant)));
    found.evidence = {extra->text, "pixeloven/ComfyUI-Docker#47"};
    found.fix = fmt::format("name the index alone (--index-url), or write the variant: torch==…+{}",
                            variant);
    found.pedantic = true;
    return;
  }
}

/// Whether something else than torch is linked with the base's CUDA: what another stage compiled
/// for GPUs, or this one, or libraries of it by the distribution's packages.
bool has_other_use(const FileView& view, std::size_t stage) {
  for (const std::string_view word : {"CUDA=ON", "CUDA=on", "CUDA=1", "CUBLAS", "nvcc"})
    if (commands_mention(view, stage, word)) return true;
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions) {
      const auto from = view.dockerfile->copied_from(copy);
      if (copy.flag("from") == nullptr || copy.words.empty()) continue;
      const std::string& source = copy.words.front().text;
      if (source.contains("-packages") || source.contains("venv")) continue;
      // Of another image: uv is a tool, the rest may be anything.
      if (from && *from < view.stages.size() ? view.stages[*from].image.vendor.known()
                                             : !copy.flag("from")->value.contains("/uv"))
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

/// Another toolkit than the base's.
bool brings_toolkit(const FileView& view, std::size_t stage, std::string wheel) {
  const auto mentions = [&](const std::string& word) {
    return commands_mention(view, stage, word);
  };
  if (mentions("cuda-" + wheel) || mentions("cuda_" + wheel) || mentions("cuda-toolkit=") ||
      mentions("cuda-nvcc=") || mentions("nvidia-cuda-nvcc"))
    return true;
  std::ranges::replace(wheel, '.', '-');
  return mentions("cuda-toolkit-" + wheel) || mentions("cuda-nvcc-" + wheel);
}

/// What is asked of a stage for each torch that it installs, answered once.
class TorchStage {
 public:
  TorchStage(const FileView& view, std::size_t stage) : view_(view), stage_(stage) {
    for (const Install* install : view.installs_in(stage))
      for (const PackageList* list : lists_of(*install))
        if (const PackageRequest* torch = list->find("torch");
            torch != nullptr && !torch->version.empty() && surely_runs(*install)) {
          std::size_t& last = releases_[torch->version];
          last = std::max(last, install->command.span.begin);
        }
  }

  /// A later command puts another release in its place, which is judged itself.
  bool is_replaced(const std::string& version, std::size_t place) const {
    return std::ranges::any_of(
        releases_, [&](const auto& one) { return one.first != version && one.second > place; });
  }
  bool has_other_toolkit(const std::string& wheel) {
    const auto [at, fresh] = toolkits_.try_emplace(wheel, false);
    if (fresh) at->second = brings_toolkit(view_, stage_, wheel);
    return at->second;
  }
  bool uses_base_otherwise() {
    if (!other_use_)
      other_use_ = has_other_cuda_user(view_, stage_) || has_other_use(view_, stage_);
    return *other_use_;
  }
  bool compiles() {
    if (!compiles_) compiles_ = compiles_torch_extension(view_, stage_);
    return *compiles_;
  }

 private:
  const FileView& view_;
  std::size_t stage_;
  std::map<std::string, std::size_t> releases_;  ///< where each is installed last
  std::map<std::string, bool> toolkits_;
  std::optional<bool> other_use_, compiles_;
};
using TorchStages = std::map<std::pair<const FileView*, std::size_t>, TorchStage>;

void wheel_against_base(const Project& project, const PlacedList& place, TorchStages& stages,
                        FindingSink& sink) {
  if (place.view == nullptr) return;
  const GpuImage& image = place.view->stages[place.install->stage].image;
  const std::string& flavour = image.flavour.value;
  if (!image.cuda.known() || flavour == "base") return;
  const Word* extra = additive_index_of(place);
  const bool of_pypi = extra != nullptr && !passed_over(project, place, *extra).empty();
  TorchStage& stage =
      stages.try_emplace({place.view, place.install->stage}, *place.view, place.install->stage)
          .first->second;
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
      // requirements-cpu.txt means it.
      found.fix = is_for_other_device(place.file->source.project_path())
                      ? "take a base without CUDA, or a wheel for it"
                      : "take a wheel for CUDA, or a base without it";
      // Of a server of its own the base's CUDA is that server's.
      found.pedantic = !is_sure(place, *one.request) || stage.uses_base_otherwise() ||
                       is_one_of(file_name(image.repository),
                                 {"tritonserver", "deepstream", "tensorrt", "tritonserver-pb"});
      continue;
    }
    const std::string wheel =
        one.variant.known() ? knowledge::cuda_of_variant(one.variant.value) : std::string();
    if (!wheel.contains('.') || one.package != "torch") continue;
    const std::string base = major_minor(image.cuda.value);
    if (wheel == base) continue;
    const bool major = first_number(wheel) != first_number(base);
    const bool devel = flavour == "devel";
    if (stage.is_replaced(one.request->version, place.install->command.span.begin)) continue;
    // Without a compiler, different minors of one major only waste space.
    if (!major && !devel) continue;
    if (stage.has_other_toolkit(wheel)) continue;
    std::string message = fmt::format("torch is of CUDA {} ({}), the base of CUDA {}", wheel,
                                      one.variant.value, base);
    message += devel && major ? ": torch.utils.cpp_extension refuses to compile (\"The detected "
                                "CUDA version mismatches\")"
               : devel        ? ": extensions are compiled with another CUDA than torch"
                              : ": two CUDA installations of different majors in one image";
    Finding& found =
        sink.add("wheel-cuda-mismatch", *place.file, one.request->span, std::move(message));
    found.evidence = {one.variant.evidence, image.cuda.evidence};
    const auto* near = project.knowledge->images.cuda_near(wheel + ".0");
    const auto variants = known_cuda_variants_of(*project.knowledge, without_local(one.version));
    const bool has_other =
        one.version.empty() || variants.empty() ||
        std::ranges::any_of(variants, [&](const std::string& variant) {
          return first_number(knowledge::cuda_of_variant(variant)) == first_number(base);
        });
    found.fix =
        fmt::format("take {} of the base's CUDA", has_other ? "wheels" : "a torch that has wheels");
    // Of an old CUDA there is no base any more.
    if (near != nullptr && major_minor(near->cuda) == wheel)
      found.fix += fmt::format(", or {}: nvidia/cuda:{}-…", base_of_cuda(wheel), near->cuda);
    // Minors of one major fit each other.
    if (devel && !major) found.severity = Severity::kInfo;
    // Where nothing compiles, each of two may have its user; else base-cuda-unused says it.
    found.pedantic = !devel || !major || !is_sure(place, *one.request) || !stage.compiles();
  }
}

}  // namespace

void judge_versions(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  TorchStages stages;
  for (const PlacedList& place : placed_lists(project, views)) {
    wheel_against_index(place, sink);
    wheel_against_base(project, place, stages, sink);
    additive_index(project, place, sink);
  }
  for (const auto& file : project.files) {
    if (!file->source.text().contains("--extra-index-url")) continue;
    for (const auto& commands :
         file->kind == FileKind::kWorkflow ? scripts_of_workflow(*file) : scripts_of(*file))
      additive_in_script(project, *file, commands, sink);
  }
}

}  // namespace flense::lint
