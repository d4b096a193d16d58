// Bases past their time: superseded repositories, distributions and Pythons without updates, old
// releases.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/final_environment.h"
#include "lint/facts/purpose.h"
#include "lint/facts/table_facts.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

void old_repository(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.own_base || !stage.stage->image) return;
  const auto* row = view.project->knowledge->images.old_repository(stage.stage->image->familiar());
  if (row == nullptr) return;
  Finding& found =
      sink.add("old-cuda-repository", *view.file, stage.stage->base.span,
               fmt::format("{} is a superseded repository: {}", row->repository, row->because));
  found.evidence = {row->source};
  found.fix = "begin with " + row->instead;
}

bool is_of_system(const Install& install) {
  return is_one_of(install.command.program, {"apt", "apt-get", "yum", "dnf", "microdnf"});
}

bool installs_from_system(const FileView& view, const StageView& stage) {
  return std::ranges::any_of(view.installs, [&](const Install& install) {
    const auto lineage = view.dockerfile->lineage(install.stage);
    return is_of_system(install) && std::ranges::find(lineage, stage.index) != lineage.end();
  });
}

/// A copy that may replace the lists of sources: not one of keys or of apt's settings.
bool may_copy_sources(std::string_view text) {
  if (text.contains("yum.repos.d") || text.contains("sources.list")) return true;
  return text.contains("/etc/apt") &&
         std::ranges::none_of(
             std::to_array<std::string_view>(
                 {"keyrings", "trusted.gpg", "apt.conf", "auth.conf", "preferences"}),
             [&](std::string_view part) { return text.contains(part); });
}

/// `sed -i s/archive.ubuntu.com/mirror.example.com/ /etc/apt/sources.list`: a mirror may keep what
/// the servers had. CentOS's own, and its list of them, are gone as well.
bool names_mirror(const StepCommand& command) {
  const auto lists = [](std::string_view word) {
    return word.contains("sources.list") || word.contains("yum.repos.d");
  };
  const bool writes =
      std::ranges::any_of(command.arguments,
                          [&](const Argument& word) { return lists(word.text); }) ||
      std::ranges::any_of(command.shell->redirections,
                          [&](const ShellRedirection& one) { return lists(one.target.text); });
  return writes && std::ranges::any_of(command.arguments, [](const Argument& word) {
           std::string text = word.text;
           for (const std::string_view gone :
                {"mirrorlist", "mirror.centos.org", "mirror\\.centos\\.org"})
             for (std::size_t at = text.find(gone); at != text.npos; at = text.find(gone, at))
               text.erase(at, gone.size());
           return text.contains("mirror");
         });
}

/// The sources are rewritten to the archive, which keeps what the servers had, or to a mirror,
/// which may.
bool uses_archive(const FileView& view, std::size_t stage) {
  for (const Instruction& step : view.dockerfile->stages[stage].instructions)
    if ((step.copies() && may_copy_sources(view.text(step.span))) ||
        std::ranges::any_of(commands_of(step), names_mirror))
      return true;
  return std::ranges::any_of(
      std::to_array<std::string_view>({"vault.centos.org", "archive.debian.org",
                                       "snapshot.debian.org", "old-releases.ubuntu.com",
                                       "/centos-vault", "/debian-archive", "vault.epel"}),
      [&](std::string_view word) { return commands_mention(view, stage, word); });
}

/// Ubuntu Pro brings updates for years more.
bool attaches_pro(const FileView& view, std::size_t stage) {
  if (commands_mention(view, stage, "esm.ubuntu.com")) return true;
  return std::ranges::any_of(view.dockerfile->lineage(stage), [&](std::size_t one) {
    return std::ranges::any_of(view.dockerfile->stages[one].instructions, [](const auto& step) {
      return std::ranges::any_of(commands_of(step), [](const StepCommand& command) {
        return is_one_of(command.program, {"pro", "ua", "ubuntu-advantage"}) &&
               command.has("attach");
      });
    });
  });
}

/// Whether what is installed on a base, or on one that is built on it, has such a package.
bool installs(const FileView& view, const StageView& stage,
              bool (*is_meant)(const Install&, const PackageRequest&)) {
  return std::ranges::any_of(view.installs, [&](const Install& install) {
    const auto lineage = view.dockerfile->lineage(install.stage);
    return std::ranges::find(lineage, stage.index) != lineage.end() &&
           std::ranges::any_of(lists_of(install), [&](const PackageList* list) {
             return std::ranges::any_of(list->packages, [&](const PackageRequest& request) {
               return is_meant(install, request);
             });
           });
  });
}

/// A base of GPUs, GPU packages on it, or, but on Jetson, whose distribution nobody chooses, those
/// of CUDA or a variable that gives it GPUs.
bool is_for_gpu(const FileView& view, const StageView& stage) {
  if (stage.image.vendor.known() ||
      installs(view, stage, [](const Install&, const PackageRequest& request) {
        return is_gpu_package(request.name);
      }))
    return true;
  if (is_for_jetson(view)) return false;
  constexpr auto kNames = std::to_array<std::string_view>({"NVIDIA_VISIBLE_DEVICES"});
  return installs(view, stage,
                  [](const Install& install, const PackageRequest& request) {
                    return is_of_system(install) &&
                           (request.name == "cuda" ||
                            starts_with_any(request.name, {"cuda-", "libcudnn", "rocm-"}));
                  }) ||
         std::ranges::any_of(settings_of(view, stage.index, kNames), [](const Setting& one) {
           return !is_one_of(one.value, {"", "void", "none"});
         });
}

void past_its_life(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.own_base || !stage.reachable) return;
  const auto* row = view.project->knowledge->images.distribution(stage.image.distribution.value);
  if (is_for_other_device(view.file->source.project_path()) && !stage.image.vendor.known()) return;
  if (row == nullptr ||
      knowledge::months_between(row->end, view.project->knowledge->images.date) == 0)
    return;
  // Whoever replaces a tag replaces its distribution too.
  if (const auto* tag = view.project->knowledge->images.cuda_version(stage.image.cuda.value);
      stage.image.repository == "nvidia/cuda" && tag != nullptr && !tag->state.empty())
    return;
  if (!is_for_gpu(view, stage) || attaches_pro(view, stage.index)) return;
  const std::string gone = servers_gone_since(*view.project->knowledge, row->distribution);
  Finding& found = sink.add(
      "base-end-of-life", *view.file, stage.stage->base.span,
      gone.empty()
          ? fmt::format("{} has had no updates since {}: new CUDA, drivers and wheels leave it "
                        "behind",
                        row->name, row->end)
          : fmt::format("the package servers of {} were switched off in {}: installing from them "
                        "fails",
                        row->name, gone));
  found.evidence = {stage.image.distribution.evidence, row->source};
  // It builds and runs as before; without its servers it does not even build.
  found.pedantic =
      gone.empty() || !installs_from_system(view, stage) || uses_archive(view, stage.index);
}

/// Of an image of Python itself. Who fixes the versions of that time needs its Python.
void past_its_python(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.own_base || !stage.reachable || stage.image.repository != "python") return;
  const std::string& python = stage.image.python.value;
  const std::string end = python_ended(*view.project->knowledge, python);
  if (end.empty() || is_for_jetson(view) || is_for_other_device(view.file->source.project_path()) ||
      !installs(view, stage, [](const Install& install, const PackageRequest& request) {
        return is_gpu_package(request.name) && request.version.empty() && request.url.empty() &&
               request.specifier.find_first_of("<~") == std::string::npos && !is_of_system(install);
      }))
    return;
  Finding& found = sink.add(
      "base-end-of-life", *view.file, stage.stage->base.span,
      fmt::format("Python {} has had no updates since {}: of what has no fixed version pip "
                  "takes the last release that was made for it, which is of that time",
                  python, end));
  found.evidence = {stage.image.python.evidence,
                    "Python Developer's Guide, Status of Python versions"};
  found.pedantic = true;
  found.fix = "begin with a Python that is maintained: python:3.12, python:3.13";
}

void old_release(const FileView& view, const StageView& stage, FindingSink& sink) {
  constexpr unsigned kOldMonths = 24;
  if (!stage.own_base || stage.image.release.empty()) return;
  const std::string made =
      "20" + stage.image.release.substr(0, 2) + "-" + stage.image.release.substr(3);
  const unsigned age = knowledge::months_between(made, view.project->knowledge->images.date);
  if (age <= kOldMonths) return;
  Finding& found = sink.add(
      "ngc-release-old", *view.file, stage.stage->base.span,
      fmt::format("{} {} is {} months old", stage.image.repository, stage.image.release, age));
  found.evidence = {fmt::format("images.json ({})", view.project->knowledge->images.date)};
  if (stage.image.ngc != nullptr) found.evidence.push_back(stage.image.ngc->source);
  const knowledge::NgcRow* newest = nullptr;
  for (const knowledge::NgcRow& row : view.project->knowledge->images.ngc)
    if (newest == nullptr || compare_versions(row.release, newest->release) > 0) newest = &row;
  if (newest != nullptr)
    found.fix = fmt::format(
        "take a newer month; the newest, {}, holds CUDA {} and was made for "
        "driver {}",
        newest->release, newest->cuda, newest->driver);
}

}  // namespace

void judge_base_life(const Project& /*project*/, const std::vector<FileView>& views,
                     FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      old_repository(view, stage, sink);
      past_its_life(view, stage, sink);
      past_its_python(view, stage, sink);
      old_release(view, stage, sink);
    }
}

}  // namespace flense::lint
