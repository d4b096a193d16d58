// Caches of package managers that stay in a layer.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/cache_steps.h"
#include "lint/facts/emptied.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/purpose.h"
#include "lint/facts/script_installs.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/tool_caches.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Where a word may be inserted before everything else in a RUN.
Span behind_keyword(const Instruction& run) {
  return {run.keyword_span.end, run.keyword_span.end};
}

/// Images of jetson-containers, of Ultralytics and of Red Hat's Python (s2i: PIP_NO_CACHE_DIR=off),
/// which set what pip does.
bool sets_pip(const GpuImage& base) {
  return starts_with_any(base.repository, {"dustynv/", "ultralytics/"}) ||
         std::ranges::any_of(
             std::to_array<std::string_view>({"ubi8/python-", "ubi9/python-", "ubi10/python-",
                                              "rhscl/python-", "centos/python-", "sclorg/python-",
                                              "opendatahub", "/odh-", "/modh/"}),
             [&](std::string_view part) { return base.repository.contains(part); });
}

/// docker/dockerfile:1.0 and 1.1 have no mounts, but for their experimental channel; nor have
/// builders other than BuildKit, or they take no notice of them.
bool has_mounts(const FileView& view) {
  for (const auto& file : view.project->files)
    if (!file->dockerfile)
      for (const std::string_view word :
           {"kaniko", "DOCKER_BUILDKIT=0", "gcloud builds submit", "az acr build"})
        if (file->source.text().contains(word)) return false;
  const std::string& syntax = view.dockerfile->syntax;
  const std::size_t tag = syntax.find("docker/dockerfile:1.");
  if (tag == syntax.npos || syntax.contains("experimental") || syntax.contains("labs")) return true;
  const std::string_view minor = std::string_view(syntax).substr(tag + 20);
  return first_number(minor).value_or(2) >= 2;
}

/// "pip install $PIP_OPTIONS": what the variable holds is not known.
bool may_have_options(const Instruction& run, const ShellCommand* command) {
  return std::ranges::any_of(commands_of(run), [&](const StepCommand& one) {
    return one.shell == command && std::ranges::any_of(one.arguments, [](const Argument& word) {
             return word.text.starts_with('$') &&
                    has_part(to_lower(word.text), "${}_:-",
                             {"opts", "options", "args", "flags", "cache", "extra"});
           });
  });
}

/// What the commands so far have put there: `pip install NAME` of that downloads nothing.
class Installed {
 public:
  bool has_all(const PackageList& list) const {
    return !list.packages.empty() && list.requirement_files.empty() && !list.upgrades() &&
           !list.installs_anew() &&
           std::ranges::all_of(list.packages, [&](const PackageRequest& request) {
             return request.specifier.empty() && request.url.empty() &&
                    names_.contains({list.manager, request.name});
           });
  }
  void add(const Install& install) {
    if (surely_runs(install))
      for (const PackageRequest& request : install.command.packages)
        names_.emplace(install.command.manager, request.name);
  }

 private:
  std::set<std::pair<PackageManager, std::string>> names_;
};

/// The lists of one manager in one RUN of the final image.
struct CachedInstall {
  std::vector<const Install*> installs;
  const Step* step;
  const knowledge::ToolCacheRow* tool;
};

std::vector<CachedInstall> cached_installs(const FileView& view, const StageSteps& steps) {
  std::vector<CachedInstall> out;
  std::map<std::pair<const Instruction*, std::string>, std::size_t> groups;
  Installed before;
  for (const Install* install : view.installs_in(view.stages.size() - 1)) {
    const bool there = before.has_all(install->command);
    before.add(*install);
    if (there) continue;
    const Step* step = steps.find(install->instruction);
    const auto* tool = tool_of(view, install->command);
    if (step == nullptr || tool == nullptr || !install->command.installs) continue;
    // pip install --upgrade pip: two megabytes.
    if (!install->command.packages.empty() && install->command.requirement_files.empty() &&
        std::ranges::all_of(install->command.packages, [](const PackageRequest& request) {
          return is_one_of(request.name, {"pip", "setuptools", "wheel", "uv", "build", "ninja"});
        }))
      continue;
    const ShellCommand* command = command_at(*install->instruction, install->command.span);
    if (!switched_off(*install->instruction, command, install->command, *tool).empty()) continue;
    if (!keeps_copies(*install->instruction, command, install->command)) continue;
    // What lies on the disk is not downloaded.
    if (install->command.has_option("--no-index") ||
        variable_at(*install->instruction, command, "PIP_NO_INDEX").set)
      continue;
    const auto [group, fresh] = groups.try_emplace({install->instruction, tool->tool}, out.size());
    if (fresh) out.push_back({{}, step, tool});
    out[group->second].installs.push_back(install);
  }
  return out;
}

void left_in_layer(const FileView& view, const StageSteps& steps, const Downloads& downloads,
                   FindingSink& sink) {
  if (!is_gpu_file(view) ||
      view.stages.back().image.repository.starts_with("mcr.microsoft.com/windows"))
    return;
  CacheSteps caches(view, steps);
  CleaningScripts scripts(view);
  const bool mountable = has_mounts(view);
  for (const CachedInstall& one : cached_installs(view, steps)) {
    const Install* install = one.installs.front();
    const Instruction& run = *install->instruction;
    const ShellCommand* command = command_at(run, install->command.span);
    const auto* row = view.stages.back().image.row;
    const bool moved = row != nullptr && row->moves_caches;  // by variables of the base
    const UserOfBase user = caches.user(*one.step);
    const bool unknown = user != UserOfBase::kKnown;
    // Jupyter's images keep their HOME: pip as root writes nothing into a directory of another's.
    if (one.tool->tool == "pip" && is_root(one.step->user) &&
        has_part(view.stages.back().image.repository, "/", {"jupyter"}))
      continue;
    const std::string directory =
        moved || unknown ? std::string() : cache_directory(*one.step, command, *one.tool);
    const std::vector<CacheMount> mounts = cache_mounts(run);
    // A mount for the tool that misses its directory is a separate finding.
    const bool mounted = std::ranges::any_of(mounts, [&](const CacheMount& mount) {
      return mount.target.empty() || directory.empty() || lies_in(directory, mount.target) ||
             holds(mount.target, one.tool->tool);
    });
    if (mounted || lies_in(directory, "/dev")) continue;
    // What is installed behind the command that empties it stays.
    const ToolCache cache{directory, one.tool->tool};
    const std::size_t emptied = std::max(emptied_at(*one.step, cache, Emptied::kPerhaps),
                                         scripts
                                             .last_in(install->stage, run,
                                                      [&](const std::vector<StepCommand>& script) {
                                                        return may_empty(script, *one.step, cache);
                                                      })
                                             .value_or(0));
    const auto kept = std::ranges::find_if(
        one.installs, [&](const Install* other) { return other->command.span.begin >= emptied; });
    if (kept == one.installs.end()) continue;
    install = *kept;
    command = command_at(run, install->command.span);
    const auto covers = [&](const std::string& target) { return lies_in(directory, target); };
    if (std::ranges::any_of(mount_targets(run), covers)) continue;
    if (!caches.has_home(*one.step) || caches.is_replaced(run, directory) ||
        (one.tool->tool == "pip" && caches.pip_is_set(run)))
      continue;
    Span span = install->command.span;
    Finding& found = sink.add(
        "package-cache-in-layer", *view.file, span,
        fmt::format("{} keeps every wheel that it downloads in {}, inside this layer",
                    one.tool->tool, directory.empty() ? "its cache directory" : directory));
    found.evidence = {
        one.tool->source,
        fmt::format("no cache mount there, no {}, no {}",
                    one.tool->options.empty() ? "option against it" : one.tool->options.front(),
                    one.tool->off.empty() ? "variable" : one.tool->off.front())};
    found.pedantic =
        !downloads.brings_much(*install) ||
        (directory.empty() && !moved && user != UserOfBase::kUnknown) ||
        may_have_options(run, command) ||
        // Wheels that lie in the image, and an address that old pips keep nothing of.
        std::ranges::any_of(
            install->command.indexes,
            [](const Word& index) { return starts_with_any(index.text, {"/", ".", "http://"}); }) ||
        sets_pip(view.stages.back().image);
    // poetry's environments lie in its cache too.
    const std::string target = (directory.empty() ? "/root/" + one.tool->home : directory) +
                               (one.tool->tool == "poetry" ? "/artifacts" : "");
    const std::string owner = mount_owner(one.step->user);
    const std::string mount =
        fmt::format("--mount=type=cache,target={}{}{}", target, owner.empty() ? "" : ",", owner);
    found.fix =
        fmt::format("write RUN {} …, which also keeps the downloads for the next build{}", mount,
                    one.tool->options.empty() ? "" : "; or add " + one.tool->options.front());
    const bool compiled = compiles_wheels(*install, command);
    // What the step does to the directory it would do to the mount.
    const bool prepared =
        !directory.empty() && std::ranges::any_of(commands_of(run), [&](const StepCommand& other) {
          return is_one_of(other.program, {"chown", "chmod", "mkdir"}) && other.has(directory);
        });
    if ((moved || directory.empty() || !mountable || compiled || prepared) &&
        !one.tool->options.empty())
      found.fix = "add " + one.tool->options.front();
    if (compiled) {
      found.evidence.emplace_back("from a mount a later build would take what this one compiled");
      continue;
    }
    if (!is_root(one.step->user) || directory.empty() || run.exec_form || command == nullptr ||
        !mountable || !caches.hides_nothing(*one.step, target))
      continue;
    const Span place = behind_keyword(run);
    found.edits.push_back({place, " " + mount});
  }
}

/// --all, -ay, --tarballs; the lists of the index, logs and temporary files are no packages.
bool takes_packages(const Argument& option) {
  const std::string_view text = option.text;
  if (text.starts_with("--"))
    return is_one_of(text, {"--all", "--packages", "--tarballs", "--force-pkgs-dirs"});
  return text.contains('$') || (text.starts_with('-') && text.find_first_of("aptf") != text.npos);
}

bool is_conda_clean(const StepCommand& command) {
  return is_one_of(command.program, {"conda", "mamba", "micromamba"}) && command.has("clean") &&
         !command.has("--dry-run") && !command.has("-d") &&
         std::ranges::any_of(command.arguments, takes_packages);
}

/// What takes conda's packages out of the layer, from a place on.
bool cleans_conda(const std::vector<StepCommand>& commands, std::size_t from) {
  const auto is_of_packages = [](std::string_view word) {
    return has_part(word, "/{,}", {"pkgs"});
  };
  // conda install … || conda clean: where the install went well it is not run.
  const auto is_alternative = [&](std::size_t at) {
    return at > 0 && commands[at - 1].shell->joined_by == "||" &&
           is_one_of(commands[at - 1].program, {"conda", "mamba", "micromamba"});
  };
  for (std::size_t at = 0; at < commands.size(); ++at)
    if (commands[at].shell->span.begin >= from && !is_alternative(at) &&
        (is_conda_clean(commands[at]) ||
         std::ranges::any_of(removed_words(commands, at), is_of_packages)))
      return true;
  return false;
}

/// A || B
bool is_alternative(const Instruction& run, const ShellCommand& command) {
  for (std::size_t at = 1; at < run.commands.size(); ++at)
    if (&run.commands[at] == &command) return run.commands[at - 1].joined_by == "||";
  return false;
}

void conda_clean(const FileView& view, const StageSteps& steps, const Downloads& downloads,
                 FindingSink& sink) {
  std::set<const Instruction*> said;
  // The last conda command of a RUN: whatever cleans up comes after it.
  std::vector<const Install*> lasts;
  for (const Install* install : view.installs_in(view.stages.size() - 1)) {
    if (install->command.manager != PackageManager::kConda || !install->command.installs) continue;
    if (said.insert(install->instruction).second)
      lasts.push_back(install);
    else
      lasts.back() = install;
  }
  CleaningScripts scripts(view);
  std::size_t last_clean = 0;
  for (const Step& step : steps.all())
    if (!said.contains(step.instruction) &&
        std::ranges::any_of(commands_of(*step.instruction), is_conda_clean))
      last_clean = step.instruction->span.begin;
  const bool from_cache = commands_mention(view, view.stages.size() - 1, "--offline") ||
                          commands_mention(view, view.stages.size() - 1, "--download-only") ||
                          commands_mention(view, view.stages.size() - 1, "/pkgs");
  for (const Install* install : lasts) {
    const Instruction& run = *install->instruction;
    if (steps.find(&run) == nullptr) continue;
    const VariableState packages = variable_at(run, nullptr, "CONDA_PKGS_DIRS");
    const bool mounted = std::ranges::any_of(cache_mounts(run), [&](const CacheMount& mount) {
      return mount.target.empty() || mount.target.ends_with("/pkgs") ||
             (packages.set && packages.value && lies_in(*packages.value, mount.target));
    });
    if (mounted) continue;
    const std::size_t begin = install->command.span.begin;
    const auto cleans = [](const std::vector<StepCommand>& script) {
      return cleans_conda(script, 0);
    };
    if (cleans_conda(commands_of(run), begin) ||
        scripts.last_in(install->stage, run, cleans).value_or(0) >= begin)
      continue;
    const ShellCommand* command = command_at(run, install->command.span);
    std::string program = install->command.program;
    if (command != nullptr) {
      const Program named = program_of(*command);
      if (named.first < command->words.size()) program = command->words[named.first].text;
    }
    Finding& found =
        sink.add("conda-not-cleaned", *view.file, install->command.span,
                 fmt::format("{} keeps every package that it downloads, packed and unpacked, in "
                             "this layer",
                             install->command.program));
    found.evidence = {"no conda clean in the step, and no cache mount at the packages' directory",
                      "conda documentation, conda clean"};
    // Who cleans in a later step, which installs nothing itself, wants it gone.
    const bool cleans_later = last_clean > run.span.begin;
    if (cleans_later) found.evidence.push_back("the clean of a later step only hides them");
    found.pedantic = !cleans_later && !downloads.brings_much(*install);
    // conda before 4.6 has no -f, which takes no more than what the environment has by links.
    found.fix = fmt::format("add && {} clean -ay to the same RUN", program);
    // Behind || it may not run, and what is installed without a network comes from the cache.
    if (command == nullptr || command->depth > 0 || run.exec_form ||
        program.find_first_of("$ \t") != std::string::npos || is_alternative(run, *command) ||
        from_cache)
      continue;
    if (command->joined_by == "&&" || command->joined_by.empty())
      found.edits.push_back(
          {{command->span.end, command->span.end}, fmt::format(" && {} clean -ay", program)});
  }
}

}  // namespace

void judge_cache(const Project& /*project*/, const std::vector<FileView>& views,
                 FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps last(view, view.stages.size() - 1);
    const Downloads downloads(view, view.stages.size() - 1);
    left_in_layer(view, last, downloads, sink);
    conda_clean(view, last, downloads, sink);
  }
}

}  // namespace flense::lint
