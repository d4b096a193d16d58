// Wheels without a version that decide the CUDA of a build: it may be another one tomorrow.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/open_torch.h"
#include "lint/facts/purpose.h"
#include "lint/facts/script_installs.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Packages whose version decides which CUDA comes.
bool decides_cuda(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"torch", "tensorflow", "jax", "jaxlib", "vllm", "sglang", "onnxruntime-gpu",
       "paddlepaddle-gpu", "pytorch", "pytorch-gpu", "tensorrt", "torchvision", "torchaudio"});
  return std::ranges::find(kNames, name) != kNames.end();
}

/// conda takes the build for the CUDA beside it.
bool is_held_by_conda(const PackageRequest& request, const PackageList& list) {
  return request.manager == PackageManager::kConda &&
         std::ranges::any_of(list.packages, [](const PackageRequest& one) {
           return is_one_of(one.name, {"cudatoolkit", "cuda-version", "pytorch-cuda"}) &&
                  !one.version.empty();
         });
}

/// Packages that PyPI builds without CUDA, unless an extra asks for it.
bool is_for_processors(const PackageRequest& request) {
  return is_one_of(request.name, {"tensorflow", "jax", "jaxlib"}) &&
         std::ranges::none_of(request.extras, [](const std::string& extra) {
           return extra.contains("cuda") || extra.contains("rocm");
         });
}

/// torch of `pip install torch && pip uninstall torch`, and what a shell took the version off,
/// which is a finding of its own.
bool is_gone_or_cut(const Install& install, const PackageRequest& request) {
  for (const StepCommand& command : commands_of(*install.instruction))
    if (command.has("uninstall") && command.has(request.name)) return true;
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return command != nullptr && std::ranges::any_of(command->redirections, [&](const auto& one) {
           return one.target.text.starts_with('=') && one.target.span.begin > request.span.begin &&
                  one.target.span.begin - request.span.begin < request.name.size() + 3;
         });
}

/// A marker keeps the request of a file out of the image.
bool is_left_out(const ListUse& use, const ProjectFile& file, const PackageRequest& request) {
  if (use.install == nullptr || request.marker.empty()) return false;
  const auto at = std::ranges::find(use.install->files, &file);
  if (at == use.install->files.end()) return false;
  const auto& taken = use.install->taken[static_cast<std::size_t>(at - use.install->files.begin())];
  if (taken == nullptr) return false;
  // In the order of the file.
  const auto begins = [](const PackageRequest& one) { return one.span.begin; };
  const auto kept = std::ranges::lower_bound(taken->packages, request.span.begin, {}, begins);
  return kept == taken->packages.end() || kept->span != request.span;
}

/// pip leaves what the base or an earlier step holds.
bool is_met(const ListUse& use, const PackageRequest& request) {
  if (use.command->upgrades() || use.command->installs_anew()) return false;
  if (request.specifier.empty() &&
      (use.base().framework.value == request.name ||
       holds_extension(*use.view->project->knowledge, use.base().repository, request.name)))
    return true;
  if (use.install == nullptr) return false;
  // Another list of the command, or a later command, names the version.
  const auto fixes = [](const PackageList* list, std::string_view name) {
    const PackageRequest* one = list->find(name);
    return one != nullptr && !one->version.empty() && one->group.empty();
  };
  const bool family = request.name.starts_with("torch");
  // Of two in one step, one may be the other's `else`.
  const auto is_branch = [](const Install& one) {
    const ShellCommand* command = command_at(*one.instruction, one.command.span);
    return command == nullptr || command->depth > 0;
  };
  return std::ranges::any_of(use.view->installs_in(use.stage), [&](const Install* other) {
    if (other->instruction == use.install->instruction && other != use.install && is_branch(*other))
      return false;
    const bool before = other->command.span.begin < use.command->span.begin;
    return std::ranges::any_of(lists_of(*other), [&](const PackageList* list) {
      // pip takes the lists of one command together.
      if ((before || other == use.install) && family &&
          (holds_torch(*list) || fixes(list, "torch")))
        return true;
      return before ? list->find(request.name) != nullptr : fixes(list, request.name);
    });
  });
}

/// The command or an earlier one installs a list that is not known: it may hold the package with
/// a version.
bool may_be_met(const ListUse& use) {
  return std::ranges::any_of(use.view->installs_in(use.stage), [&](const Install* before) {
    return before->command.span.begin <= use.command->span.begin &&
           before->files.size() < before->command.requirement_files.size();
  });
}

/// Every build takes it from PyPI, for this one base.
bool surely_takes_newest(const std::vector<ListUse>& uses) {
  return uses.size() == 1 && uses.front().install != nullptr &&
         uses.front().base().repository == "nvidia/cuda" && surely_runs(*uses.front().install) &&
         !may_be_met(uses.front()) &&
         !may_have_other_index(*uses.front().view, *uses.front().install);
}

/// The newest for the CUDA and the Python of all that install it, where the table has one.
std::string version_words(const knowledge::Knowledge& known, const PackageRequest& request,
                          const std::vector<ListUse>& open) {
  const bool conda = request.manager == PackageManager::kConda;
  std::string version;
  std::uint64_t base = 0;
  for (const ListUse& use : open) {
    base = first_number(use.base().cuda.value).value_or(0);
    const std::string own = newest_for_cuda(known, request.name, base, python_of(use));
    if (own.empty() || conda || (!version.empty() && own != version)) {
      version.clear();
      break;
    }
    version = own;
  }
  if (version.empty())
    return fmt::format("write the version that works now, which {} names",
                       conda ? "conda list" : "pip freeze");
  return fmt::format("write {}=={}.*, which is for the base's CUDA {}", request.name, version,
                     base);
}

/// `uses` are empty for a list that no image takes: it is somebody's notebook or test.
void unpinned(const knowledge::Knowledge& known, const ProjectFile& file, const PackageList& list,
              const std::vector<ListUse>& uses, FindingSink& sink) {
  if (is_constrained(list, nullptr) || is_for_other_device(file.source.project_path())) return;
  for (const Word& index : list.indexes)
    if (is_for_other_device(index.text)) return;
  const bool plain_jax =
      list.indexes.empty() && std::ranges::none_of(list.packages, [](const PackageRequest& one) {
        return one.name.starts_with("jax-") || (one.name.starts_with("jax") && !one.extras.empty());
      });
  for (const PackageRequest& request : list.packages) {
    if (!decides_cuda(request.name) || !request.url.empty() || !request.version.empty() ||
        is_held_by_conda(request, list))
      continue;
    // PyPI's is a message, which package-gone tells of.
    if (request.name == "pytorch" && list.manager != PackageManager::kConda &&
        request.manager != PackageManager::kConda)
      continue;
    // "==${TORCH_VERSION}" names one, although it is not known here; "==2.*" does not.
    if (request.specifier.contains('$') ||
        (request.specifier.contains("==") && !request.specifier.ends_with(".*")))
      continue;
    std::vector<ListUse> open = uses;
    std::erase_if(open, [&](const ListUse& use) {
      return is_left_out(use, file, request) || is_met(use, request);
    });
    if (open.empty() && !uses.empty()) continue;
    if (request.name.starts_with("torch") && holds_torch(list)) continue;
    // A list for AMD's GPUs, by its name; the package is NVIDIA's alone.
    if (request.name == "onnxruntime-gpu" &&
        has_part(file_name(list.path), "/._-", {"amd", "rocm"}))
      continue;
    // Their torch is what they require.
    if (request.name.starts_with("torch") && request.name != "torch" &&
        (list.find("torch") != nullptr || list.find("pytorch") != nullptr ||
         (!uses.empty() && uses.front().base().framework.value == "torch")))
      continue;
    if (!uses.empty() && uses.front().install != nullptr && uses.front().command == &list &&
        is_gone_or_cut(*uses.front().install, request))
      continue;
    if (is_for_processors(request) &&
        std::ranges::none_of(open, [](const ListUse& use) { return use.base().vendor.known(); }))
      continue;
    // PyPI's jax is for processors on every base; a plugin beside it decides.
    if (request.name.starts_with("jax") && request.extras.empty() && plain_jax) continue;
    Finding& found = sink.add(
        "gpu-wheel-unpinned", file, request.span,
        fmt::format("{}{} leaves its version open, and the version decides the CUDA, the least "
                    "driver and the GPUs",
                    request.name, request.specifier));
    found.evidence = {request.specifier.empty()
                          ? "no version is written"
                          : "the specifier leaves a choice: " + request.specifier};
    const auto other = open.empty() ? std::nullopt : other_cuda(known, request, list, open.front());
    // That a version is missing a careful owner may leave; what comes without one, and does not
    // fit, is a fault.
    found.pedantic = !other || other->older || !surely_takes_newest(uses) ||
                     is_example(file.source.project_path());
    found.fix = version_words(known, request, open);
    if (other) {
      const GpuImage& base = open.front().base();
      found.message = fmt::format(
          "{} for CUDA {}, and the base is of CUDA {}{}",
          request.specifier.empty()
              ? fmt::format("{} without a version is today's,", request.name)
              : fmt::format("the newest {}{} is", request.name, request.specifier),
          other->wheel, other->base,
          base.flavour.value == "devel" &&
                  may_compile_extension(*open.front().view, open.front().stage)
              ? ": extensions that this base compiles do not fit it (\"The detected CUDA version "
                "mismatches\")"
          : other->older ? ": it loads none of the base's libraries"
                         : ": it needs a newer driver, and loads none of the base's libraries");
      found.evidence.push_back(base.cuda.evidence);
      if (request.name.starts_with("torch")) found.cause = "torch of CUDA " + other->wheel;
      found.fix =
          fmt::format("{}begin with {}",
                      other->fitting.empty() ? "" : fmt::format("write {}, or ", other->fitting),
                      base_of_cuda(other->wheel));
    } else if (!open.empty() && request.name == "torch" &&
               open.front().base().flavour.value == "devel" && open.front().base().cuda.known() &&
               may_compile_extension(*open.front().view, open.front().stage)) {
      const std::string base = major_minor(open.front().base().cuda.value);
      found.message +=
          fmt::format(", and extensions are compiled here by the base's CUDA {}", base);
      found.fix = fmt::format(
          "write a version that has wheels for CUDA {}, with their index or local version (+cu…)",
          base);
    } else if (!open.empty() && open.front().base().vendor.value == "amd" &&
               request.name.starts_with("torch") && list.indexes.empty()) {
      found.fix =
          "write one version, of https://download.pytorch.org/whl/rocmX.Y: PyPI's is for CUDA";
    }
    return;  // the others of the list follow from it
  }
}

}  // namespace

void judge_open_versions(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views)
    for (const Install& install : view.installs)
      if (!is_of_system(install.command.manager) && view.stages[install.stage].reachable &&
          !is_constrained(install.command, &install))
        unpinned(*project.knowledge, *view.file, install.command,
                 {{&view, install.stage, &install, &install.command}}, sink);
  std::set<std::pair<const ProjectFile*, std::size_t>> said;
  for (const FileView& view : views)
    for (const ScriptInstall& one : script_installs_of(view))
      // One script of several images is judged once.
      if (!is_of_system(one.list.manager) && said.emplace(one.script, one.list.span.begin).second)
        unpinned(*project.knowledge, *one.script, one.list,
                 {{&view, one.stage, nullptr, &one.list}}, sink);
  std::set<const ProjectFile*> held;
  std::map<const ProjectFile*, std::vector<ListUse>> used;
  for (const FileView& view : views)
    for (const Install& install : view.installs) {
      if (is_constrained(install.command, &install))
        held.insert(install.files.begin(), install.files.end());
      for (const ProjectFile* file : install.files)
        used[file].push_back({&view, install.stage, &install, &install.command});
    }
  // What pip-compile makes of a list of names has the versions.
  for (const auto& file : project.files)
    if (const std::string& path = file->source.path();
        path.ends_with(".in") && project.find(path.substr(0, path.size() - 2) + "txt") != nullptr)
      held.insert(file.get());
  // Ranges are normal in pyproject.toml; a lock file pins them.
  for (const auto& file : project.files)
    if (file->packages && !held.contains(file.get()) &&
        (file->kind == FileKind::kRequirements || file->kind == FileKind::kCondaEnvironment))
      unpinned(*project.knowledge, *file, *file->packages, used[file.get()], sink);
}

}  // namespace flense::lint
