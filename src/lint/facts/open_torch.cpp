#include "lint/facts/open_torch.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/facts/system_python.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// uv makes an environment of the distribution's Python, or brings a current one where nothing
/// names another: no older one than 3.10.
bool takes_current_python(const ListUse& use) {
  const GpuImage& base = use.base();
  const std::string_view text = use.view->file->source.text();
  return use.command->manager == PackageManager::kUv && base.repository == "nvidia/cuda" &&
         compare_versions(base.python.value, "3.10") >= 0 &&
         std::ranges::none_of(
             std::to_array<std::string_view>({"3.6", "3.7", "3.8", "3.9", "UV_PYTHON", "python $",
                                              "python=$", "python \"$", "python=\"$", "-p $"}),
             [&](std::string_view word) { return text.contains(word); }) &&
         std::ranges::none_of(use.view->project->files,
                              [](const auto& file) { return file->kind == FileKind::kPyproject; });
}

/// A package with a version may require a torch of its time.
bool may_be_bounded(const PackageList& list) {
  return std::ranges::any_of(list.packages, [](const PackageRequest& one) {
    return (!one.version.empty() || has_upper_bound(one.specifier)) &&
           !one.name.starts_with("torch") &&
           (brings_torch(one.name) || is_gpu_package(one.name) || one.name == "lmdeploy");
  });
}

/// `pip` where python-pip of an old distribution is the only one: Python 2's.
bool is_python2(const ListUse& use, const std::string& program) {
  if (!is_one_of(program, {"pip", "pip2", "python", "python2"}) || !is_plain_system(use.base()))
    return false;
  bool old = false;
  for (const Install* install : use.view->installs_in(use.stage))
    for (const PackageRequest& request : install->command.packages) {
      if (is_one_of(request.name, {"python3-pip", "python-is-python3"})) return false;
      old = old || (is_of_system(request.manager) && request.name == "python-pip");
    }
  return old && std::ranges::none_of(
                    std::to_array<std::string_view>(
                        {"conda", "virtualenv", "venv", "get-pip", "pyenv", "update-alternatives"}),
                    [&](std::string_view word) {
                      return commands_mention(*use.view, use.stage, word, use.install->instruction);
                    });
}

/// uv takes torch for the CUDA that this variable names.
bool has_torch_backend(const ListUse& use) {
  return use.command->has_option("--torch-backend") ||
         (use.install != nullptr && use.command->manager == PackageManager::kUv &&
          environment_of(*use.install->instruction).contains("UV_TORCH_BACKEND"));
}

/// The distributions of CUDA 10 and before have a Python for which nothing new is built; others get
/// one by a command.
bool is_of_old_python(const ListUse& use) {
  const GpuImage& base = use.base();
  for (const std::string_view old :
       {"python3.5", "python3.6", "python3.7", "python=3.5", "python=3.6", "python=3.7",
        "python==3.6", "python==3.7", "py35", "py36", "py37", "Python-3.6", "Python-3.7"})
    if (commands_mention(*use.view, use.stage, old)) return true;
  return first_number(base.cuda.value).value_or(11) < 11 ||
         (base.python.known() && compare_versions(base.python.value, "3.8") < 0);
}

/// For Arm PyPI's torch is of another kind, and Jetson's is not there.
bool is_for_arm(const ListUse& use) {
  return use.base().platform == "jetson" || is_for_arm(*use.view, use.view->stages[use.stage]);
}

}  // namespace

std::string python_of(const ListUse& use) {
  const auto brings = [](const PackageList& list) {
    return list.manager == PackageManager::kConda ||
           std::ranges::any_of(list.packages, [](const PackageRequest& request) {
             return is_of_system(request.manager) && request.name.starts_with("python3.");
           });
  };
  if (use.install != nullptr) {
    // ${PYTHON} -m pip
    if (use.view->text(use.install->command.span).substr(0, 3).contains('$')) return {};
    // python3.9 -m pip, pip3.9
    const ShellCommand* command = command_at(*use.install->instruction, use.install->command.span);
    const std::string program = command == nullptr ? std::string() : program_of(*command).name;
    if (const std::size_t at = program.find("3."); at != program.npos)
      return is_version(program.substr(at)) ? program.substr(at) : std::string();
    if (is_python2(use, program)) return "2.7";
  }
  for (const Install* install : use.view->installs_in(use.stage))
    if (brings(install->command)) return {};
  for (const std::string_view word :
       {"deadsnakes", "miniconda", "Miniconda", "miniforge", "Miniforge", "Python-3.", "astral"})
    if (commands_mention(*use.view, use.stage, word)) return {};
  for (const std::size_t one : use.view->dockerfile->lineage(use.stage))
    for (const Instruction& run : use.view->dockerfile->stages[one].instructions)
      for (const StepCommand& command : commands_of(run))
        if (is_one_of(command.program, {"uv", "pyenv", "conda", "mamba", "micromamba"})) return {};
  return use.base().python.value;
}

std::optional<OtherCuda> other_cuda(const knowledge::Knowledge& known,
                                    const PackageRequest& request, const PackageList& list,
                                    const ListUse& use) {
  const GpuImage& base = use.base();
  const auto is_other = [](const Word& index) { return !is_pypi(index.text); };
  if (!base.cuda.known() || !request.name.starts_with("torch") ||
      (!request.specifier.empty() && (request.name != "torch" || !request.marker.empty())) ||
      !request.index.empty() || std::ranges::any_of(list.indexes, is_other) ||
      std::ranges::any_of(use.command->indexes, is_other) || has_torch_backend(use) ||
      request.manager == PackageManager::kConda || base.framework.value == "torch" ||
      is_for_arm(use) || may_be_bounded(list))
    return std::nullopt;
  // An older Python gets an older torch.
  const std::string python = python_of(use);
  if (python.empty() && is_of_old_python(use)) return std::nullopt;
  // Which Python pip is of nobody knows: of those that are in use each gets CUDA 12 at least.
  const auto* newest = newest_torch_for(known, python, request.specifier);
  if (newest == nullptr) return std::nullopt;
  if (python.empty()) {
    newest = nullptr;
    for (const std::string_view least : {"3.8", "3.9", "3.10"})
      if (newest == nullptr && (least == "3.10" || !takes_current_python(use)))
        newest = newest_torch_for(known, least, request.specifier);
    if (newest == nullptr) return std::nullopt;
  }
  OtherCuda out;
  out.base = major_minor(base.cuda.value);
  out.wheel = knowledge::cuda_of_variant(newest->variant);
  if (python.empty()) out.wheel = fmt::format("{} or newer", first_number(out.wheel).value_or(12));
  if (first_number(out.base) == first_number(out.wheel)) return std::nullopt;
  out.older = first_number(out.base) > first_number(out.wheel);
  if (out.older && (request.specifier.empty() || python.empty())) return std::nullopt;
  // The newest that the Python and the base's CUDA have in common.
  const knowledge::FrameworkBuild* fits = nullptr;
  std::string version;
  for (const knowledge::FrameworkBuild& build : known.frameworks.builds) {
    const std::string cuda = knowledge::cuda_of_variant(build.variant);
    if (build.package != "torch" || build.platform != "amd64" || cuda.empty() ||
        first_number(cuda) != first_number(out.base) ||
        compare_versions(build.from, newest->to) > 0)
      continue;
    const std::string& last = compare_versions(build.to, newest->to) > 0 ? newest->to : build.to;
    if (!meets(last, request.specifier)) continue;
    // An older one may have no wheels for this Python.
    const auto* row = known.frameworks.default_variant(last);
    if (row != nullptr && !python.empty() && !row->last_python.empty() &&
        compare_versions(python, row->last_python) > 0)
      continue;
    const int order = fits == nullptr ? 1 : compare_versions(last, version);
    if (order > 0 || (order == 0 && cuda == out.base)) {
      fits = &build;
      version = last;
    }
  }
  if (fits != nullptr)
    out.fitting =
        fmt::format("{} of https://download.pytorch.org/whl/{}",
                    python.empty() ? "one version" : "torch==" + version + ".*", fits->variant);
  return out;
}

}  // namespace flense::lint
