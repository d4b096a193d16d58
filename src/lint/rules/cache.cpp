// Caches of package managers that stay in a layer.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/purpose.h"
#include "lint/facts/script_installs.h"
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

/// A file of settings for pip, or `pip config set`: nothing is known of what it says.
bool configures_pip(const FileView& view, const Instruction& step) {
  const std::string_view text = view.text(step.span);
  return holds(text, "pip.conf") || holds(text, "no-cache-dir true") ||
         holds(text, "no-cache-dir false") || holds(text, "no-cache-dir 1") ||
         holds(text, "PIP_CONFIG_FILE");
}

/// Images of jetson-containers and of Red Hat's Python (s2i: PIP_NO_CACHE_DIR=off), which set what
/// pip does.
bool sets_pip(const GpuImage& base) {
  return base.repository.starts_with("dustynv/") ||
         std::ranges::any_of(
             std::to_array<std::string_view>({"ubi8/python-", "ubi9/python-", "ubi10/python-",
                                              "rhscl/python-", "centos/python-", "sclorg/python-",
                                              "opendatahub", "/odh-", "/modh/"}),
             [&](std::string_view part) { return base.repository.contains(part); });
}

/// Who runs a step of somebody's image, which the table does not know.
enum class UserOfBase : std::uint8_t {
  kKnown,    ///< the table, or a step that does what root alone may
  kUnknown,  ///< nothing tells
  kOther,    ///< there are signs of another user than root
};

/// Of a step without a USER of its own.
UserOfBase user_of_base(const FileView& view, const StageSteps& steps) {
  const GpuImage& image = view.stages.back().image;
  if (image.row != nullptr || image.official || image.repository.ends_with("nvidia/cuda") ||
      is_one_of(image.repository, {"ubuntu", "debian", "python", "fedora", "centos", "rockylinux",
                                   "almalinux", "amazonlinux", "buildpack-deps"}))
    return UserOfBase::kKnown;
  const std::string_view text = view.file->source.text();
  // Images of Jupyter keep their HOME, and S2I's their user, whoever installs.
  for (const std::string_view word : {"jovyan", "NB_UID", "NB_USER", "/opt/app-root"})
    if (text.contains(word)) return UserOfBase::kOther;
  const bool root =
      text.contains("/root") || std::ranges::any_of(steps.all(), [](const Step& other) {
        const Instruction& one = *other.instruction;
        if (one.keyword == Keyword::kUser && !one.words.empty() && is_root(one.words.front().text))
          return true;
        return is_root(other.user) && one.keyword == Keyword::kRun &&
               std::ranges::any_of(commands_of(one), [](const StepCommand& command) {
                 return command.shell->words.front().text != "sudo" &&
                        is_one_of(command.program,
                                  {"apt-get", "apt", "yum", "dnf", "microdnf", "apk", "zypper",
                                   "chown", "useradd", "adduser", "groupadd", "ldconfig"});
               });
      });
  if (root) return UserOfBase::kKnown;
  if (text.contains("sudo ") || text.contains("/home/") ||
      has_part(image.repository, "/-_", {"ray", "jupyter", "notebook", "notebooks", "s2i"}))
    return UserOfBase::kOther;
  return UserOfBase::kUnknown;
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

/// "pip", "python3 -m pip": what fills a cache, and names it by its option.
bool is_installer(const StepCommand& command) {
  return command.program.starts_with("pip") || command.program == "uv" ||
         command.program == "poetry" ||
         (command.program.starts_with("python") && command.has("-m"));
}

/// What the steps of a stage do about caches, asked for each install.
class CacheSteps {
 public:
  CacheSteps(const FileView& view, const StageSteps& steps)
      : view_(view), steps_(steps), user_(user_of_base(view, steps)) {
    for (const Step& step : steps.all()) {
      const Instruction& one = *step.instruction;
      if (pip_set_from_ == std::string_view::npos && configures_pip(view, one))
        pip_set_from_ = one.span.begin;
      if (!one.words.empty() && (one.copies() || one.keyword == Keyword::kVolume))
        takes_place(step, one.words.back().text, step.directory);
      if (one.keyword != Keyword::kRun) continue;
      each_command(step, [&](const StepCommand& command, const std::string& below) {
        if (command.program == "ln" && !command.arguments.empty())
          takes_place(step, command.arguments.back().text, below);
        if (is_one_of(command.program, {"adduser", "useradd", "chown"}))
          owners_.push_back(&command);
      });
    }
  }

  UserOfBase user(const Step& step) const {
    return is_root(step.user) ? user_ : UserOfBase::kKnown;
  }

  bool pip_is_set(const Instruction& run) const { return pip_set_from_ <= run.span.begin; }

  /// Whether a step made the user's home, which `useradd` alone does not: pip keeps nothing where
  /// it may not write.
  bool has_home(const Step& step) const {
    if (is_root(step.user)) return true;
    const auto& row = view_.stages.back().image.row;
    if (row != nullptr && row->user == step.user) return true;
    if (environment_of(*step.instruction).contains("HOME")) return true;
    return std::ranges::any_of(owners_, [&](const StepCommand* one) {
      const StepCommand& command = *one;
      // Its own step installs into it, whoever that makes.
      if (step.instruction->span.begin <= command.shell->span.begin &&
          command.shell->span.begin < step.instruction->span.end)
        return false;
      const bool named = command.has(step.user) || command.has(step.home);
      if (command.program == "adduser")
        return named && !command.has("--no-create-home") && !command.has("-H");
      if (command.program == "useradd")
        return named && std::ranges::any_of(command.arguments, [](const Argument& word) {
                 return word.text == "--create-home" ||
                        (word.text.starts_with('-') && !word.text.starts_with("--") &&
                         holds(word.text, "m"));
               });
      return std::ranges::any_of(command.arguments, [&](const Argument& word) {
        return word.text.starts_with(step.home);
      });
    });
  }

  /// A copy of a cache, a volume or a link is where the cache would be.
  bool is_replaced(const Instruction& run, std::string_view directory) const {
    return std::ranges::any_of(places_, [&](const auto& one) {
      return one.first <= run.span.begin &&
             (lies_in(directory, one.second) || lies_in(one.second, directory));
    });
  }

  /// Whether a mount at a directory hides and changes nothing of a step's or the image's files: by
  /// its name it is a cache alone, and nobody else has to do with it, or in this step with what it
  /// lies in. A mount point cannot be removed, and leaves no directory behind.
  bool hides_nothing(const Step& step, std::string_view target) {
    const std::size_t cache = target.find("cache");
    if (cache == target.npos || !std::ranges::all_of(target, [](char c) {
          return is_alphanumeric(c) || std::string_view("/._-+@").contains(c);
        }))
      return false;
    const std::size_t begin = target.rfind('/', cache) + 1;
    const std::string_view name = target.substr(begin, target.find('/', cache) - begin);
    auto at = named_.find(name);
    if (at == named_.end()) at = named_.emplace(name, is_named(name)).first;
    bool touches = at->second;
    if (!touches)
      each_command(step, [&](const StepCommand& command, const std::string& directory) {
        if (is_installer(command) || is_one_of(command.program, {"cd", "pushd"})) return;
        for (const Argument& word : command.arguments) {
          const std::string path = path_of(step, word.text, directory);
          const std::string_view plain =
              std::string_view(path).substr(0, path.find_first_of("*?["));
          touches = touches || (plain.size() > 1 && target.starts_with(plain));
        }
      });
    return !touches;
  }

 private:
  void takes_place(const Step& step, std::string_view word, const std::string& below) {
    const Instruction& one = *step.instruction;
    // A file beside the cache leaves it as it is.
    if (one.copies() &&
        std::ranges::none_of(one.words.begin(), one.words.end() - 1,
                             [](const Word& from) { return holds(from.text, "cache"); }))
      return;
    if (std::string path = path_of(step, word, below); path.contains("cache"))
      places_.emplace_back(one.span.begin, std::move(path));
  }

  /// Whether a step speaks of a directory, other than an installer that is told of it.
  bool is_named(std::string_view name) const {
    return std::ranges::any_of(steps_.all(), [&](const Step& step) {
      const Instruction& one = *step.instruction;
      if (one.keyword == Keyword::kCopy || one.keyword == Keyword::kAdd ||
          one.keyword == Keyword::kWorkdir)
        return view_.text(one.span).contains(name);
      return one.keyword == Keyword::kRun &&
             std::ranges::any_of(commands_of(one), [&](const StepCommand& command) {
               return command.program != "cd" && !is_installer(command) &&
                      view_.text(command.shell->span).contains(name);
             });
    });
  }

  const FileView& view_;
  const StageSteps& steps_;
  UserOfBase user_;
  std::size_t pip_set_from_ = std::string_view::npos;
  std::vector<const StepCommand*> owners_;
  std::vector<std::pair<std::size_t, std::string>> places_;  ///< by the place of the step
  std::map<std::string, bool, std::less<>> named_;           ///< is_named()
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
  for (const Install* install : view.installs_in(view.stages.size() - 1)) {
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
    const std::size_t emptied =
        std::max(emptied_at(run, directory, one.tool->tool, true),
                 scripts
                     .last_in(install->stage, run,
                              [&](const StepCommand& other) {
                                return empties(other, directory, one.tool->tool, true);
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

bool is_conda_clean(const StepCommand& command) {
  return (command.program == "conda" || command.program == "mamba" ||
          command.program == "micromamba") &&
         command.has("clean");
}

/// What takes conda's packages out of the layer.
bool cleans_conda(const StepCommand& command) {
  return is_conda_clean(command) ||
         (command.program == "rm" &&
          std::ranges::any_of(command.arguments,
                              [](const Argument& word) { return holds(word.text, "/pkgs"); }));
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
    if (std::ranges::any_of(commands_of(run),
                            [&](const StepCommand& command) {
                              return command.shell->span.begin >= begin && cleans_conda(command);
                            }) ||
        scripts.last_in(install->stage, run, cleans_conda).value_or(0) >= begin)
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
