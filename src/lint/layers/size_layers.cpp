// Layers that undo or repeat what an earlier layer holds.
#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/emptied.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/sent_files.h"
#include "lint/facts/tool_caches.h"
#include "lint/layers/size_owners.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostQuestions = 2'000;

bool only_removes(const Instruction& run) {
  return std::ranges::all_of(commands_of(run), [](const StepCommand& command) {
    return command.program == "rm" || command.program == "cd";
  });
}

/// "rtabmap-ros" of "ros-noetic-rtabmap-ros", "opencv" of "libopencv-dev", "yaml" of
/// "python3-yaml".
std::string bare_name(std::string_view package) {
  if (package.starts_with("ros-")) {
    const std::size_t release = package.find('-', 4);
    if (release != package.npos) package.remove_prefix(release + 1);
  }
  for (const std::string_view prefix : {"python3-", "lib"})
    if (package.starts_with(prefix)) {
      package.remove_prefix(prefix.size());
      break;
    }
  if (package.ends_with("-dev")) package.remove_suffix(4);
  while (!package.empty() && (is_digit(package.back()) || package.back() == '.'))
    package.remove_suffix(1);
  return std::string(package);
}

class Layers {
 public:
  Layers(const FileView& view, const StageSteps& steps, const SentFiles& sent,
         const std::vector<Written>& written, FindingSink& sink)
      : view_(view), steps_(steps), sent_(sent), sink_(sink), written_(written) {
    for (const Install* install : view.installs_in(view.stages.size() - 1)) fills(*install);
    for (const Step& step : steps.all()) fills_lists(*step.instruction);
  }

  void run() {
    for (const Step& step : steps_.all()) {
      if (step.instruction->keyword != Keyword::kRun) continue;
      each_command_from(step.start(), step,
                        [&](const StepCommand& command, const std::string& directory) {
                          if (++asked_ > kMostQuestions) return;
                          if (command.program == "rm") removed(step, command, directory);
                          if (command.program == "apt-get" || command.program == "apt")
                            purged(step, command);
                        });
    }
  }

 private:
  Finding& report(Span span, std::string message, const Instruction* maker, std::string seen) {
    Finding& found = sink_.add("removed-in-later-layer", *view_.file, span, std::move(message));
    found.evidence = {
        fmt::format("line {}: {}", view_.file->source.position(maker->span.begin).line, seen),
        "a layer cannot take back what an earlier one holds: OCI image "
        "specification, whiteouts"};
    return found;
  }

  /// "opencv*", and not "opencv/*".
  static bool names_beginning(std::string_view word) {
    if (!word.ends_with('*')) return false;
    while (word.ends_with('*')) word.remove_suffix(1);
    return !word.empty() && !word.ends_with('/');
  }

  /// Where nobody knows the directory, a path below it is what the step calls it.
  static std::string shown(const Step& step, std::string_view word, const std::string& path) {
    const bool relative = !word.starts_with('/') && !word.starts_with('~');
    return relative && step.directory.empty() && path.find('/', 1) == path.npos ? path.substr(1)
                                                                                : path;
  }

  /// The step that writes a file deletes it too.
  bool is_removed_at_once(const Written& one) const {
    const Step* own = steps_.find(one.step);
    bool out = false;
    if (own != nullptr && one.step->keyword == Keyword::kRun)
      each_command_from(
          own->start(), *own, [&](const StepCommand& command, const std::string& directory) {
            out = out || (command.program == "rm" &&
                          std::ranges::any_of(command.arguments, [&](const Argument& word) {
                            return path_of(*own, word.text, directory) == one.path;
                          }));
          });
    return out;
  }

  /// Two branches of builds: which of them run is not known.
  static unsigned depth_of(const Written& one) {
    const ShellCommand* command = command_at(*one.step, one.span);
    return command == nullptr ? 0 : command->depth;
  }

  void removed(const Step& step, const StepCommand& command, const std::string& directory) {
    for (const Argument& word : command.arguments) {
      const std::string path = path_of(step, word.text, directory);
      const bool begins = names_beginning(word.text);
      const auto takes = [&](const std::string& other) {
        return lies_in(other, path) || (begins && other.starts_with(path));
      };
      // rm -rf DIR && git clone URL DIR: it makes room.
      const bool made_anew = std::ranges::any_of(written_, [&](const Written& one) {
        return one.step == step.instruction && takes(one.path);
      });
      if (path.empty() || path == "/" || lies_in(path, "/var")) {
        if (!path.empty() && removed_cache(step, word.span, path)) return;
        continue;
      }
      if (removed_cache(step, word.span, path)) return;
      for (const Written& one : written_) {
        if (made_anew || !is_before(one.step, step) ||
            (command.shell->depth > 0 && depth_of(one) > 0))
          continue;
        const bool part = lies_in(path, one.path);
        if ((!part && !takes(one.path)) || (begins && is_removed_at_once(one))) continue;
        const bool copy = one.how == "COPY" || one.how == "ADD";
        const std::uint64_t bytes = copy ? copied_bytes(sent_, one, path) : 0;
        // Nothing shows that what was written held this.
        const bool inside = part && path != one.path && bytes == 0;
        if (inside && (!only_removes(*step.instruction) || one.path == "/")) continue;
        // A script that is copied and deleted costs a name.
        const Flag* from = one.step->flag("from");
        const bool stage = (from != nullptr && file_name(one.path).find('.') == one.path.npos) ||
                           (bytes == 0 && is_archive(one.path) && !is_small_name(one.path));
        if (copy && !one.download && bytes < kWorth && !stage && !inside) continue;
        if (one.download && is_small_name(one.path)) continue;
        Finding& found = report(
            word.span,
            fmt::format("{} stays in the layer of {}: this only hides it{}",
                        shown(step, word.text, path), one.how,
                        bytes > 0 ? ", " + human_bytes(bytes) : ""),
            one.step, fmt::format("{} writes {}", one.how, shown(step, word.text, one.path)));
        found.fix =
            !copy ? "delete it in the same RUN that makes it, or make it in a stage of its own"
            : one.download ? "fetch it, use it and delete it in one RUN, in place of ADD"
            : from != nullptr || is_archive(one.path)
                ? fmt::format(
                      "mount it where it is used, in place of this and of the COPY: RUN "
                      "--mount=type=bind,{}source={},target={} …",
                      from != nullptr ? "from=" + from->value + "," : "", view_.text(one.span),
                      one.path)
                : "leave it out by .dockerignore, or copy only what is needed";
        return;
      }
      of_base(step, word.span, path);
    }
  }

  /// A step that does no more than remove large parts of the toolkit wants a smaller image, once.
  void of_base(const Step& step, Span span, std::string_view path) {
    const StageView& last = view_.stages.back();
    if (!last.image.vendor.known() || last.image.flavour.value != "devel" ||
        told_ == step.instruction || !only_removes(*step.instruction) ||
        !starts_with_any(path, {"/usr/local/cuda", "/opt/rocm"}) ||
        !starts_with_any(file_name(path), {"extras", "nsight", "libnvvp", "targets", "llvm"}))
      return;
    told_ = step.instruction;
    Finding& found =
        sink_.add("removed-in-later-layer", *view_.file, span,
                  fmt::format("{} stays in the layers of the base: this only hides it", path));
    found.evidence = {
        "a layer cannot take back what an earlier one holds: OCI image "
        "specification, whiteouts"};
    found.fix = "begin with a smaller base, or slim the finished image: flense slim";
  }

  static bool updates(const Instruction& run) {
    return std::ranges::any_of(commands_of(run), [](const StepCommand& command) {
      return command.program.starts_with("apt") && command.has("update");
    });
  }

  /// `RUN apt-get update` alone, which leaves its lists.
  void fills_lists(const Instruction& run) {
    if (run.keyword != Keyword::kRun || run.flag("mount") != nullptr || !updates(run)) return;
    const bool removes = std::ranges::any_of(commands_of(run), [](const StepCommand& command) {
      return command.program == "rm" &&
             std::ranges::any_of(command.arguments, [](const Argument& word) {
               return word.text.starts_with("/var/lib/apt");
             });
    });
    if (!removes) updates_.push_back(&run);
  }

  /// Directories that package managers fill.
  void fills(const Install& install) {
    const PackageList& list = install.command;
    const Instruction& run = *install.instruction;
    const bool first = managers_.emplace(&run, list.manager).second;
    const bool pip = list.manager == PackageManager::kPip || list.manager == PackageManager::kUv;
    if (run.flag("mount") != nullptr || (!first && !pip)) return;
    const auto* tool = view_.project->knowledge->build.cache(to_string(list.manager));
    const Step* own = steps_.find(&run);
    if (pip && tool != nullptr && own != nullptr) {
      const ShellCommand* at = command_at(run, list.span);
      const std::string directory = cache_directory(*own, at, *tool);
      const auto [emptied, fresh] = emptied_.try_emplace({&run, tool->tool + directory}, 0);
      if (fresh) emptied->second = emptied_at(*own, {directory, tool->tool}, Emptied::kPerhaps);
      if (!directory.empty() && switched_off(run, at, list, *tool).empty() &&
          emptied->second <= list.span.begin)
        fills_.push_back({&install, directory, tool->tool});
    } else if (list.manager == PackageManager::kApt) {
      const auto& commands = commands_of(run);
      const bool removes = std::ranges::any_of(commands, [](const StepCommand& command) {
        return command.program == "rm" &&
               std::ranges::any_of(command.arguments, [](const Argument& word) {
                 return word.text.starts_with("/var/lib/apt/lists");
               });
      });
      if (!removes &&
          std::ranges::any_of(commands, [](const StepCommand& one) { return one.has("update"); }))
        fills_.push_back({&install, "/var/lib/apt/lists", "apt-get update"});
    } else if (list.manager == PackageManager::kConda) {
      fills_.push_back({&install, {}, list.program});
    }
  }

  bool removed_cache(const Step& step, Span span, const std::string& path) {
    const Instruction* maker = nullptr;
    std::string_view what;
    const auto& commands = commands_of(*step.instruction);
    // This very step may have run the update too.
    const bool updates_here = std::ranges::any_of(
        commands, [](const StepCommand& command) { return command.has("update"); });
    for (const Fill& fill : fills_) {
      const PackageManager manager = fill.install->command.manager;
      if (!is_before(fill.install->instruction, step)) break;
      // The step cleans up after itself.
      if (managers_.contains({step.instruction, manager}) ||
          (manager == PackageManager::kApt && updates_here) ||
          (fill.directory.empty() ? !path.ends_with("/pkgs") : !lies_in(fill.directory, path)))
        continue;
      maker = fill.install->instruction;
      what = fill.by;
    }
    if (maker == nullptr && lies_in("/var/lib/apt/lists", path) && !updates(*step.instruction) &&
        !updates_.empty() && is_before(updates_.front(), step)) {
      maker = updates_.front();
      what = "apt-get update";
    }
    if (maker == nullptr) return false;
    Finding& found = report(
        span, fmt::format("{} stays in the layer that filled it: this only hides it", path), maker,
        fmt::format("{} fills {}", what,
                    what.starts_with("apt-get") ? std::string("/var/lib/apt/lists") : path));
    found.fix =
        "empty it in the same RUN, or mount a cache there: --mount=type=cache,target=" + path;
    return true;
  }

  /// Whether commands after the removal of a package bring the same in another way: a clone, an
  /// archive, pip.
  bool is_replaced(const Step& step, const StepCommand& removal, std::string_view package) const {
    const std::string name = bare_name(package);
    constexpr std::size_t kTelling = 4;
    if (name.size() < kTelling) return false;
    return std::ranges::any_of(steps_.all(), [&](const Step& later) {
      const Instruction& run = *later.instruction;
      if (run.span.begin < step.instruction->span.begin) return false;
      return std::ranges::any_of(commands_of(run), [&](const StepCommand& command) {
        if (command.shell->span.begin <= removal.shell->span.begin ||
            !(is_one_of(command.program, {"git", "wget", "curl", "uv", "conda", "mamba"}) ||
              command.program.starts_with("pip") || command.program.starts_with("python")))
          return false;
        return std::ranges::any_of(command.arguments, [&](const Argument& word) {
          std::string text = to_lower(word.text);
          std::ranges::replace(text, '_', '-');
          return !text.starts_with('-') && text.contains(name);
        });
      });
    });
  }

  void purged(const Step& step, const StepCommand& command) {
    if (!command.has("purge") && !command.has("remove")) return;
    std::set<std::string_view> named;
    for (const Argument& word : command.arguments) named.insert(word.text);
    for (const Install* install : view_.installs_in(view_.stages.size() - 1)) {
      if (install->command.manager != PackageManager::kApt ||
          !is_before(install->instruction, step))
        continue;
      for (const PackageRequest& request : install->command.packages) {
        if (!named.contains(request.name)) continue;
        const auto word = std::ranges::find(command.arguments, request.name, &Argument::text);
        Finding& found =
            report(word->span,
                   fmt::format("{} stays in the layer that installed it: this only hides its "
                               "files",
                               request.name),
                   install->instruction, "apt-get install " + request.name);
        found.cause = "purge";
        if (is_replaced(step, command, request.name)) {
          found.fix = "leave it out of the install: another one takes its place";
          return;
        }
        found.fix = "install, use and remove it in one RUN, or build in a stage of its own";
        return;
      }
    }
  }

  const FileView& view_;
  const StageSteps& steps_;
  const SentFiles& sent_;
  FindingSink& sink_;
  const std::vector<Written>& written_;
  /// A directory that an install leaves filled.
  struct Fill {
    const Install* install = nullptr;
    std::string directory;  ///< empty: one that ends with "/pkgs"
    std::string by;
  };

  std::vector<Fill> fills_;
  std::vector<const Instruction*> updates_;
  std::set<std::pair<const Instruction*, PackageManager>> managers_;
  std::map<std::pair<const Instruction*, std::string>, std::size_t> emptied_;
  const Instruction* told_ = nullptr;  ///< of what the base brought
  std::size_t asked_ = 0;
};

}  // namespace

void judge_size_layers(const Project& /*project*/, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    const SentFiles sent(view);
    const std::vector<Written> written = written_paths(steps);
    Layers(view, steps, sent, written, sink).run();
    judge_owners(view, steps, sent, written, sink);
  }
}

}  // namespace flense::lint
