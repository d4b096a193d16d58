// Extensions of torch that import it when they are built: pip and uv build in an environment of its
// own, where it is not.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/process.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/open_torch.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/table_facts.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Packages whose setup.py imports torch, and that no index has as a wheel.
bool needs_torch(const PackageRequest& request) {
  const bool source = request.url.starts_with("git+");
  if (source)
    return is_one_of(request.name, {"flash-attention", "flash-attn", "detectron2", "pytorch3d",
                                    "nvdiffrast", "tiny-cuda-nn", "gsplat", "torch-scatter"});
  // mmcv's takes torch only if it is there.
  return request.url.empty() && is_source_only(request.name) && !request.name.starts_with("mmcv");
}

/// The option, or the variable that stands for it.
bool has_no_isolation(const Install& install, const PackageRequest& request) {
  const PackageList& command = install.command;
  if (command.has_option("--no-build-isolation") || command.has_option("--only-binary") ||
      command.has_option("--no-build-isolation-package=" + request.name))
    return true;
  const ShellCommand* shell = command_at(*install.instruction, command.span);
  for (const std::string_view name :
       {"PIP_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION_PACKAGE",
        "UV_CONFIG_FILE", "PIP_CONFIG_FILE"})
    if (variable_at(*install.instruction, shell, name).set) return true;
  return false;
}

/// Where the Python is not known: any word that may be one before 3.9, or its distribution.
bool names_old_python(std::string_view text) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"3.6", "3.7", "3.8", "py36", "py37", "py38", "16.04",
                                       "18.04", "20.04", "bionic", "focal", "xenial"}),
      [&](std::string_view word) { return text.contains(word); });
}

/// pip of the day, which builds nothing in place: an earlier command renews it.
bool renews_pip(const FileView& view, const Install& install) {
  // pip 25.3 is for no older Python.
  const std::string python = python_of({&view, install.stage, &install, &install.command});
  if (python.empty() ? names_old_python(view.file->source.text())
                     : compare_versions(python, "3.9") < 0)
    return false;
  return std::ranges::any_of(view.installs_in(install.stage), [&](const Install* before) {
    if (before->command.span.begin >= install.command.span.begin) return false;
    const PackageRequest* pip = before->command.find("pip");
    const bool renewed = before->command.upgrades();
    return pip != nullptr && (pip->version.empty() ? renewed && pip->specifier.empty()
                                                   : compare_versions(pip->version, "25.3") >= 0);
  });
}

bool says_elsewhere(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    return file->kind == FileKind::kPyproject &&
           (holds(file->source.text(), "no-build-isolation") ||
            holds(file->source.text(), "extra-build-dependencies"));
  });
}

bool is_torch(const PackageRequest& one) {
  return one.name == "torch" || one.name == "torchvision" || one.name == "torchaudio" ||
         one.name == "pytorch" || one.name == "vllm";
}

/// A list that no Dockerfile installs: torch of the same list is not there when the other is built,
/// unless somebody has installed it by hand before.
void one_list(const PlacedList& place, FindingSink& sink) {
  if (place.file->kind != FileKind::kRequirements || !place.list->indexes.empty() ||
      std::ranges::none_of(place.list->packages, is_torch))
    return;
  for (const PackageRequest& request : place.list->packages) {
    if (!needs_torch(request) || !request.marker.empty()) continue;
    Finding& found =
        sink.add("extension-without-torch", *place.file, request.span,
                 fmt::format("{} imports torch when it is built, and torch of the same list is not "
                             "installed by then: \"No module named 'torch'\"",
                             request.name));
    found.evidence = {"its setup.py; whyNLP/LCKV#17"};
    found.fix = fmt::format(
        "take it off the list: pip install --no-build-isolation {} behind pip install -r",
        request.url.empty() ? request.name : request.url);
    found.pedantic = true;
    return;
  }
}

void isolated(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr) return one_list(place, sink);
  if (place.file->kind == FileKind::kPyproject || place.file->kind == FileKind::kUvLock) return;
  const Install& install = *place.install;
  const bool uv = install.command.manager == PackageManager::kUv;
  if ((!uv && install.command.manager != PackageManager::kPip) ||
      install.command.verb != "install" || !place.list->indexes.empty() ||
      !install.command.indexes.empty())
    return;  // another index may have the wheel
  for (const PackageRequest& request : place.list->packages) {
    if (!needs_torch(request) || !request.marker.empty()) continue;
    const GpuImage& base = place.view->stages[install.stage].image;
    if (holds_extension(*project.knowledge, base.repository, "flash-attn") &&
        request.name == "flash-attn")
      continue;
    const bool off =
        has_no_isolation(install, request) ||
        commands_mention(*place.view, install.stage, "no-build-isolation", install.instruction);
    std::string message;
    bool sure = is_sure(place, request);
    if (!off) {
      if (says_elsewhere(project)) return;
      message = fmt::format(
          "{} imports torch when it is built, and {} builds it in an empty environment: \"No "
          "module "
          "named 'torch'\"",
          request.name, uv ? "uv" : "pip");
      sure = sure && (uv || renews_pip(*place.view, install));
    } else {
      const bool here = std::ranges::any_of(place.list->packages, is_torch);
      const auto before = place.view->installs_in(install.stage);
      const bool earlier = base.framework.known() ||
                           base.repository.contains('/') != base.vendor.known() ||
                           std::ranges::any_of(before, [&](const Install* one) {
                             return one->command.span.begin < install.command.span.begin &&
                                    (std::ranges::any_of(
                                         lists_of(*one),
                                         [](const PackageList* list) {
                                           return std::ranges::any_of(list->packages, is_torch);
                                         }) ||
                                     !one->command.requirement_files.empty());
                           });
      if (!here || earlier) return;
      message = fmt::format(
          "{} imports torch when it is built, which this very command only brings: \"No module "
          "named 'torch'\"",
          request.name);
    }
    Finding& found = sink.add("extension-without-torch", *place.file, request.span, message);
    found.evidence = {"its setup.py; NVIDIA/recsys-examples#388",
                      off  ? "torch stands in the same command"
                      : uv ? "no --no-build-isolation"
                           : "no --no-build-isolation; pip 25.3 and later always isolate"};
    const std::string asked = request.name + request.specifier;
    found.fix = fmt::format(
        "install torch, setuptools and wheel in a command before it, and then {} install "
        "--no-build-isolation {}",
        uv ? "uv pip" : "pip",
        !request.url.empty()                                  ? request.url
        : request.specifier.find_first_of("<>") != asked.npos ? shell_quoted(asked)
                                                              : asked);
    found.pedantic = !sure;
    return;
  }
}

}  // namespace

void judge_build_isolation(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const PlacedList& place : placed_lists(project, views)) isolated(project, place, sink);
}

}  // namespace flense::lint
