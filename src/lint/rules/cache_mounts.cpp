// Cache mounts of a RUN: without effect, at another place than the tool's cache, and where one
// would save most of a build.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/emptied.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/tool_caches.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// An installation by a tool that keeps a cache, where it happens and where that cache lies.
struct ToolInstall {
  const Install* install;
  const Step* step;
  const ShellCommand* command;
  const knowledge::ToolCacheRow* tool;
  std::string directory;
};

std::vector<ToolInstall> tool_installs(const FileView& view, const StageView& stage,
                                       const StageSteps& steps) {
  std::vector<ToolInstall> out;
  for (const Install& install : view.installs) {
    if (install.stage != stage.index) continue;
    const Step* step = steps.find(install.instruction);
    const auto* tool = tool_of(view, install.command);
    if (step == nullptr || tool == nullptr) continue;
    const ShellCommand* command = command_at(*install.instruction, install.command.span);
    out.push_back({&install, step, command, tool, cache_directory(*step, command, *tool)});
  }
  return out;
}

/// Blank and word, so that the rest stays one line.
Span with_blank(std::string_view text, Span word) {
  if (word.begin > 0 && (text[word.begin - 1] == ' ' || text[word.begin - 1] == '\t'))
    return {word.begin - 1, word.end};
  return word;
}

/// Whether a RUN has no commands but the tool's; what a program in Python keeps nobody knows.
bool alone(const Instruction& run, const knowledge::ToolCacheRow& tool) {
  return std::ranges::all_of(commands_of(run), [&](const StepCommand& command) {
    return holds(command.program, tool.tool) ||
           (command.program.starts_with("python") &&
            is_one_of(command.value_of("-m"), {"pip", "venv", "ensurepip"}));
  });
}

/// Caches by their id, with the RUNs that fill them: by their tool, or by what is not known.
using Fillers = std::map<std::string, std::set<const Instruction*>, std::less<>>;

Fillers fillers_of(const FileView& view) {
  std::map<const Instruction*, std::set<std::string_view>> tools;  // of each RUN, that keep a cache
  for (const Install& install : view.installs)
    if (const auto* tool = tool_of(view, install.command); tool != nullptr) {
      std::set<std::string_view>& keeping = tools[install.instruction];
      if (switched_off(*install.instruction, command_at(*install.instruction, install.command.span),
                       install.command, *tool)
              .empty())
        keeping.insert(tool->tool);
    }
  Fillers out;
  for (const Stage& stage : view.dockerfile->stages)
    for (const Instruction& run : stage.instructions) {
      if (run.keyword != Keyword::kRun) continue;
      const auto known = tools.find(&run);
      for (const CacheMount& mount : cache_mounts(run))
        if (!mount.id.empty() &&
            (known == tools.end() || std::ranges::any_of(known->second, [&](std::string_view tool) {
               return mount.target.ends_with("/.cache") || holds(mount.target, tool);
             })))
          out[mount.id].insert(&run);
    }
  return out;
}

/// Whether another RUN of the file fills the same cache.
bool is_filled_elsewhere(const Fillers& fillers, const Instruction& run, const CacheMount& mount) {
  const auto at = fillers.find(mount.id);
  return at != fillers.end() && at->second.size() > at->second.count(&run);
}

/// Wheels that lie in the image or in a mount alone.
bool takes_local_wheels(const PackageList& list, const ShellCommand* command) {
  return command != nullptr && list.requirement_files.empty() &&
         std::ranges::all_of(list.packages,
                             [](const PackageRequest& request) {
                               return !request.url.empty() && !request.url.contains("://");
                             }) &&
         std::ranges::any_of(command->words, [](const ShellWord& word) {
           return word.text.ends_with(".whl") && !word.text.contains("://");
         });
}

void unused_mounts(const FileView& view, const StageView& stage, const StageSteps& steps,
                   const Fillers& fillers, FindingSink& sink) {
  const std::vector<ToolInstall> installs = tool_installs(view, stage, steps);
  std::set<const Flag*> told;  // of one mount the first command is
  for (const ToolInstall& one : installs) {
    const auto& [install, step, command, tool, directory] = one;
    const Instruction& run = *install->instruction;
    const bool used = std::ranges::any_of(installs, [&](const ToolInstall& other) {
      return other.install->instruction == &run && other.tool == tool &&
             switched_off(run, other.command, other.install->command, *tool).empty();
    });
    for (const CacheMount& mount : cache_mounts(run)) {
      if (!lies_in(directory, mount.target)) continue;
      const std::string off = switched_off(run, command, install->command, *tool);
      const bool emptied =
          off.empty() && emptied_at(*step, {directory, tool->tool}, Emptied::kSurely) != 0;
      // One at ~/.cache is for other programs too.
      const bool wide = directory != mount.target && !lies_in(mount.target, directory) &&
                        !holds(mount.target, tool->tool);
      if (off.empty() ? !emptied : used || (wide && !alone(run, *tool))) continue;
      if (!told.insert(mount.flag).second) continue;
      Finding& found = sink.add(
          "cache-mount-unused", *view.file, mount.flag->span,
          emptied ? fmt::format("the step empties {}, which this mount keeps for the next build",
                                directory)
          : is_filled_elsewhere(fillers, run, mount)
              ? fmt::format("{} switches {}'s cache off: it takes nothing from this mount, which "
                            "another step fills",
                            off, tool->tool)
              : fmt::format("{} switches {}'s cache off: this mount stays empty", off, tool->tool));
      const bool compiled = !emptied && compiles_wheels(*install, command);
      found.pedantic = compiled || (!emptied && takes_local_wheels(install->command, command));
      found.evidence = {tool->source, fmt::format("the mount covers {}", directory)};
      found.fix = emptied ? "delete the command that empties it: a mount is not part of the layer"
                  : compiled
                      ? "delete the mount: a later build would take what this one compiled from it"
                      : fmt::format("delete {}: a mount is not part of the layer", off);
      if (!emptied && !compiled && !off.starts_with('-'))
        found.fix += fmt::format(
            "; where other steps of {} have no mount, env -u {} in front of this one's command",
            tool->tool, off);
      if (emptied || compiled || command == nullptr) break;
      for (const ShellWord& word : command->words)
        if (word.text == off && view.text(word.span) == off)
          found.edits.push_back({with_blank(view.file->source.text(), word.span), ""});
      break;
    }
  }
}

void link_mode(const FileView& view, const StageView& stage, const StageSteps& steps,
               FindingSink& sink) {
  const auto* tool = view.project->knowledge->build.cache("uv");
  if (tool == nullptr) return;
  for (const Install& install : view.installs) {
    if (install.stage != stage.index || install.command.manager != PackageManager::kUv) continue;
    const Instruction& run = *install.instruction;
    const Step* step = steps.find(&run);
    const ShellCommand* command = command_at(run, install.command.span);
    if (step == nullptr || command == nullptr || !install.command.installs) continue;
    if (variable_at(run, command, "UV_LINK_MODE").set ||
        !switched_off(run, command, install.command, *tool).empty() ||
        std::ranges::any_of(install.command.options,
                            [](const std::string& o) { return o.starts_with("--link-mode"); }))
      continue;
    const std::string directory = cache_directory(*step, command, *tool);
    const bool mounted = std::ranges::any_of(cache_mounts(run), [&](const CacheMount& mount) {
      return lies_in(directory, mount.target);
    });
    if (!mounted) continue;
    const Program program = program_of(*command);
    const Span word = command->words[program.first].span;
    Finding& found = sink.add(
        "uv-link-mode", *view.file, word,
        "the cache is another file system, so uv cannot link from it: it warns at every package "
        "and copies");
    found.evidence = {tool->source, "uv documentation, Using uv in Docker: UV_LINK_MODE=copy"};
    found.fix = "write ENV UV_LINK_MODE=copy in front of the step";
    if (!run.exec_form) found.edits.push_back({{word.begin, word.begin}, "UV_LINK_MODE=copy "});
  }
}

/// A command that takes long to compile.
bool compiles(const StepCommand& command) {
  if (command.program == "cmake") return command.has("--build");
  // A plain make may build anything: CPython, gdrcopy.
  if (command.program == "ninja") return true;
  if (command.program.starts_with("python"))
    return std::ranges::any_of(command.arguments, [](const Argument& word) {
      return word.text == "setup.py" || word.text.ends_with("/setup.py");
    });
  return false;
}

void compiler_cache(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.reachable || stage.image.flavour.value != "devel") return;
  if (commands_mention(view, stage.index, "ccache")) return;  // also matches sccache
  for (const Instruction& run : stage.stage->instructions) {
    if (run.keyword != Keyword::kRun) continue;
    const Environment& environment = environment_of(run);
    for (const std::string_view name :
         {"CMAKE_CUDA_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER", "PYTORCH_NVCC"})
      if (environment.contains(name)) return;
    for (const StepCommand& command : commands_of(run)) {
      if (!compiles(command)) continue;
      Finding& found = sink.add(
          "compiler-cache-missing", *view.file, command.shell->span,
          "every change of the sources compiles all CUDA code again, for minutes to hours");
      found.evidence = {stage.image.flavour.evidence, "no ccache or sccache in this stage",
                        "ccache 4 and sccache cache nvcc"};
      found.fix =
          "install ccache, set CMAKE_CUDA_COMPILER_LAUNCHER=ccache and "
          "CMAKE_CXX_COMPILER_LAUNCHER=ccache (for setup.py: PYTORCH_NVCC=\"ccache nvcc\"), and "
          "write RUN --mount=type=cache,target=/root/.cache/ccache …";
      return;
    }
  }
}

/// A base whose variables are known: others may have moved the cache.
bool is_known_base(const GpuImage& image) {
  return (image.official && (image.row == nullptr || !image.row->moves_caches)) ||
         image.repository == "python" ||
         (image.distribution.known() && !image.repository.contains('/'));
}

/// The value of target= in the flag's own text.
Span target_value(const FileView& view, const CacheMount& mount) {
  const std::string_view raw = view.text(mount.flag->span);
  for (const std::string_view key : {"target=", "dst=", "destination="}) {
    const std::size_t at = raw.find(key);
    if (at == raw.npos || (at > 0 && raw[at - 1] != ',' && raw[at - 1] != '=')) continue;
    const std::size_t begin = at + key.size();
    const std::size_t end = std::min(raw.find(',', begin), raw.size());
    return {mount.flag->span.begin + begin, mount.flag->span.begin + end};
  }
  return {};
}

void misplaced_mounts(const FileView& view, const StageView& stage, const StageSteps& steps,
                      FindingSink& sink) {
  std::set<const Flag*> said;
  for (const ToolInstall& one : tool_installs(view, stage, steps)) {
    const auto& [install, step, command, tool, directory] = one;
    const Instruction& run = *install->instruction;
    if (directory.empty() || !switched_off(run, command, install->command, *tool).empty()) continue;
    const std::vector<CacheMount> mounts = cache_mounts(run);
    const CacheMount* covering = nullptr;
    const CacheMount* meant = nullptr;
    for (const CacheMount& mount : mounts) {
      if (lies_in(directory, mount.target)) covering = &mount;
      const std::string_view name =
          std::string_view(mount.target).substr(mount.target.rfind('/') + 1);
      if (name == tool->tool || name == tool->xdg || (name == ".cache" && mounts.size() == 1) ||
          mount.target.starts_with("~"))
        meant = &mount;
    }
    if (covering != nullptr) {
      const std::string owner = mount_owner(step->user);
      if (owner.empty() || covering->states_access || !said.insert(covering->flag).second) continue;
      Finding& found = sink.add(
          "cache-mount-target", *view.file, covering->flag->span,
          fmt::format("the mount belongs to root, and {} runs as {}: it cannot write its cache",
                      tool->tool, step->user));
      found.evidence = {"Dockerfile reference, RUN --mount=type=cache: uid is 0 by default",
                        tool->source};
      found.fix = fmt::format("add {} to the mount", owner);
      if (all_digits(step->user))
        found.edits.push_back({{covering->flag->span.end, covering->flag->span.end}, "," + owner});
      continue;
    }
    if (meant == nullptr || !is_known_base(stage.image) || !said.insert(meant->flag).second)
      continue;
    const Span value = target_value(view, *meant);
    Finding& found = sink.add(
        "cache-mount-target", *view.file, value.empty() ? meant->flag->span : value,
        fmt::format("{} keeps its cache in {} here, and the mount is at {}: it stays empty",
                    tool->tool, directory, meant->target));
    found.evidence = {tool->source, fmt::format("user {}, home {}", step->user, step->home)};
    if (const auto set = variable_at(run, command, tool->variable); set.set)
      found.evidence.push_back(tool->variable + " is set");
    const std::string owner = meant->states_access ? std::string() : mount_owner(step->user);
    found.fix = fmt::format("write target={}{}{}", directory, owner.empty() ? "" : ",", owner);
    found.unsafe = true;  // a setting that is not seen here may name the other directory
    if (!value.empty() && (owner.empty() || all_digits(step->user)))
      found.edits.push_back({value, directory + (owner.empty() ? "" : ",") + owner});
  }
}

void apt_mounts(const FileView& view, const StageView& stage, FindingSink& sink) {
  const std::string& distribution = stage.image.distribution.value;
  std::set<const Instruction*> said, downloads;
  for (const Install& install : view.installs) {
    if (install.stage != stage.index || install.command.manager != PackageManager::kApt) continue;
    const ShellCommand* command = command_at(*install.instruction, install.command.span);
    if (command == nullptr || !takes_files(*command)) downloads.insert(install.instruction);
  }
  for (const Install& install : view.installs) {
    if (install.stage != stage.index || install.command.manager != PackageManager::kApt) continue;
    const Instruction& run = *install.instruction;
    if (!said.insert(&run).second) continue;
    // docker-clean of the base empties the archives after each install.
    const bool may_clean = !commands_mention(view, stage.index, "docker-clean", &run) &&
                           !commands_mention(view, stage.index, "Keep-Downloaded-Packages", &run) &&
                           std::ranges::none_of(stage.stage->instructions, [&](const auto& copy) {
                             return copy.copies() && view.text(copy.span).contains("/etc/apt");
                           });
    const bool cleans = may_clean && starts_with_any(distribution, {"ubuntu", "debian"});
    for (const CacheMount& mount : cache_mounts(run)) {
      const bool archives = lies_in("/var/cache/apt/archives", mount.target);
      const bool lists = lies_in("/var/lib/apt/lists", mount.target);
      if (!archives && !lists) continue;
      const StepCommand* emptying = nullptr;
      const std::vector<StepCommand>& commands = commands_of(run);
      for (const StepCommand& command : commands) {
        const bool clean = archives && command.program.starts_with("apt") && command.has("clean");
        const bool removed = lists && command.program == "rm" &&
                             std::ranges::any_of(command.arguments, [](const Argument& word) {
                               return word.text.starts_with("/var/lib/apt/lists");
                             });
        if (clean || removed) emptying = &command;
      }
      if (emptying != nullptr) {
        Finding& found = sink.add("apt-cache-emptied", *view.file, emptying->shell->span,
                                  fmt::format("this empties {}, which the mount keeps for the next "
                                              "build",
                                              mount.target));
        // Of a package that lies there the mount keeps nothing.
        found.pedantic = archives && !downloads.contains(&run);
        found.evidence = {std::string(view.text(mount.flag->span))};
        found.fix = "delete the command: a mount is not part of the layer";
        if (archives && may_clean)
          found.fix +=
              "; and begin the step with rm -f /etc/apt/apt.conf.d/docker-clean, which images of "
              "Debian and Ubuntu have, and which empties it too";
        break;
      }
      if (!archives || !cleans) continue;
      Finding& found = sink.add(
          "apt-cache-emptied", *view.file, mount.flag->span,
          "the base's docker-clean deletes the archives after each install: this mount stays "
          "empty");
      found.evidence = {stage.image.distribution.evidence,
                        "Dockerfile reference, RUN --mount=type=cache, example of apt"};
      found.pedantic = !downloads.contains(&run);
      found.fix = "begin the step with rm -f /etc/apt/apt.conf.d/docker-clean";
      // apt, unlike apt-get, keeps no archive of what it has installed.
      const bool keeps = install.command.program != "apt";
      if (!keeps) found.fix += ", and write apt-get in place of apt, which deletes them itself";
      if (!view.text(mount.flag->span).contains("sharing=locked"))
        found.fix += "; and use sharing=locked";
      const ShellCommand* first = run.commands.empty() ? nullptr : &run.commands.front();
      if (keeps && first != nullptr && !run.exec_form && run.heredocs.empty() && first->depth == 0)
        found.edits.push_back(
            {{first->span.begin, first->span.begin}, "rm -f /etc/apt/apt.conf.d/docker-clean; "});
      break;
    }
  }
}
}  // namespace

void judge_cache_mounts(const Project& /*project*/, const std::vector<FileView>& views,
                        FindingSink& sink) {
  for (const FileView& view : views) {
    std::optional<Fillers> fillers;  // of the file, where a mount asks
    for (const StageView& stage : view.stages) {
      compiler_cache(view, stage, sink);
      if (std::ranges::none_of(stage.stage->instructions,
                               [](const auto& one) { return one.flag("mount") != nullptr; }))
        continue;
      const StageSteps steps(view, stage.index);
      if (!fillers) fillers = fillers_of(view);
      unused_mounts(view, stage, steps, *fillers, sink);
      link_mode(view, stage, steps, sink);
      misplaced_mounts(view, stage, steps, sink);
      apt_mounts(view, stage, sink);
    }
  }
}

}  // namespace flense::lint
