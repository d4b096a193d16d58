// Layers that undo or repeat what an earlier layer holds.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/sent_files.h"
#include "lint/facts/tool_caches.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostQuestions = 2'000;
/// What is worth a finding where the size is known.
constexpr std::uint64_t kWorth = 10'000'000;

bool only_removes(const Instruction& run) {
  return std::ranges::all_of(commands_of(run), [](const StepCommand& command) {
    return command.program == "rm" || command.program == "cd";
  });
}

class Layers {
 public:
  Layers(const FileView& view, const StageSteps& steps, const SentFiles& sent, FindingSink& sink)
      : view_(view), steps_(steps), sent_(sent), sink_(sink), written_(written_paths(steps)) {}

  void run() {
    for (const Step& step : steps_.all()) {
      if (step.instruction->keyword != Keyword::kRun) continue;
      each_command(step, [&](const StepCommand& command, const std::string& directory) {
        if (++asked_ > kMostQuestions) return;
        if (command.program == "rm") removed(step, command, directory);
        if (command.program == "chown" || command.program == "chmod" || command.program == "chgrp")
          owned(step, command, directory);
        if (command.program == "apt-get" || command.program == "apt") purged(step, command);
      });
    }
  }

 private:
  bool before(const Instruction* one, const Step& step) const {
    return one != step.instruction && one->span.begin < step.instruction->span.begin;
  }

  Finding& report(Span span, std::string message, const Instruction* maker, std::string seen) {
    Finding& found = sink_.add("removed-in-later-layer", *view_.file, span, std::move(message));
    found.evidence = {
        fmt::format("line {}: {}", view_.file->source.position(maker->span.begin).line, seen),
        "a layer cannot take back what an earlier one holds: OCI image "
        "specification, whiteouts"};
    return found;
  }

  /// Bytes of the context that COPY put at `path`; 0: none, or not known.
  std::uint64_t copied_bytes(const Written& copy, const std::string& path) const {
    if (!sent_.known() || copy.step->flag("from") != nullptr) return 0;
    for (const Word& word : copy.step->words)
      if (word.span == copy.span) {
        const std::string rest =
            path.size() > copy.path.size() ? path.substr(copy.path.size()) : std::string();
        return sent_.bytes_below(word.text + rest);
      }
    return 0;
  }

  /// rm -rf DIR && git clone URL DIR: it makes room.
  bool made_anew(const Step& step, const std::string& path) const {
    return std::ranges::any_of(written_, [&](const Written& one) {
      return one.step == step.instruction && lies_in(one.path, path);
    });
  }

  /// rm FILE && ln -s OTHER FILE: a later command of the step puts something in its place.
  static bool set_again(const Step& step, const StepCommand& removal, const std::string& path) {
    bool again = false;
    each_command(step, [&](const StepCommand& command, const std::string& directory) {
      if (command.program == "rm" || command.shell->span.begin < removal.shell->span.begin) return;
      const auto is_it = [&](std::string_view word) {
        return path_of(step, word, directory) == path;
      };
      if (is_one_of(command.program, {"ln", "cp", "mv", "install"}) && !command.arguments.empty()) {
        const std::string& to = command.arguments.back().text;
        again =
            again || is_it(to) || std::ranges::any_of(command.arguments, [&](const Argument& from) {
              return is_it(fmt::format("{}/{}", to, file_name(from.text)));
            });
      }
      for (const ShellRedirection& to : command.shell->redirections)
        again = again || (to.op.starts_with('>') && is_it(to.target.text));
    });
    return again;
  }

  /// Two branches of builds: which of them run is not known.
  static unsigned depth_of(const Written& one) {
    const ShellCommand* command = command_at(*one.step, one.span);
    return command == nullptr ? 0 : command->depth;
  }

  void removed(const Step& step, const StepCommand& command, const std::string& directory) {
    for (const Argument& word : command.arguments) {
      const std::string path = path_of(step, word.text, directory);
      if (path.empty() || path == "/" || lies_in(path, "/var")) {
        if (!path.empty() && removed_cache(step, word.span, path)) return;
        continue;
      }
      if (removed_cache(step, word.span, path)) return;
      for (const Written& one : written_) {
        if (!before(one.step, step) || made_anew(step, path) ||
            (command.shell->depth > 0 && depth_of(one) > 0))
          continue;
        const bool part = lies_in(path, one.path);
        if (!part && !lies_in(one.path, path)) continue;
        const bool copy = one.how == "COPY" || one.how == "ADD";
        const std::uint64_t bytes = copy ? copied_bytes(one, path) : 0;
        // Nothing shows that what was written held this.
        const bool inside = part && path != one.path && bytes == 0;
        if (inside && (!only_removes(*step.instruction) || one.path == "/")) continue;
        // A script that is copied and deleted costs a name.
        const bool stage =
            one.step->flag("from") != nullptr && file_name(one.path).find('.') == one.path.npos;
        if (copy && !one.download && bytes < kWorth && !stage && !inside) continue;
        if (one.download && is_small_name(one.path)) continue;
        Finding& found =
            report(word.span,
                   fmt::format("{} stays in the layer of {}: this only hides it{}", path, one.how,
                               bytes > 0 ? ", " + human_bytes(bytes) : ""),
                   one.step, fmt::format("{} writes {}", one.how, one.path));
        // A part of something that was fetched or taken over, of no known size.
        found.pedantic = inside || !is_much(one, bytes);
        found.fix =
            !copy ? "delete it in the same RUN that makes it, or make it in a stage of its own"
            : one.step->flag("from") != nullptr
                ? fmt::format(
                      "mount it where it is used: RUN --mount=type=bind,from={},source={},"
                      "target={} …",
                      one.step->flag("from")->value, view_.text(one.span), one.path)
                : "leave it out by .dockerignore, or copy only what is needed";
        return;
      }
      if (!word.text.contains('*') && set_again(step, command, path)) continue;
      if (of_base(step, word.span, path)) return;
    }
  }

  /// What no image of CUDA holds under this name: a link to the toolkit's directory, samples, which
  /// left the toolkit with 11.6, and libraries that are of several parts.
  static bool is_not_there(const GpuImage& base, std::string_view path) {
    if (path == "/usr/local/cuda") return true;
    if (!path.starts_with("/usr/local/cuda")) return false;
    const std::string_view name = file_name(path);
    return (name == "samples" && base.cuda.known() && version_at_least(base.cuda.value, "11.6")) ||
           is_one_of(name, {"libnpp_static.a", "libnvblas_static.a", "libnvtoolsext_static.a"});
  }

  /// What the base brought: its layers keep it.
  bool of_base(const Step& step, Span span, const std::string& path) {
    const StageView& last = view_.stages.back();
    if (!last.image.vendor.known() || last.image.flavour.value == "base") return false;
    const bool large = std::ranges::any_of(
        std::to_array<std::string_view>(
            {"/usr/local/cuda", "/opt/rocm", "/opt/conda", "/opt/nvidia", "/opt/tritonserver"}),
        [&](std::string_view one) {
          return path.starts_with(one) && !path.substr(one.size()).contains("/doc");
        });
    // Those go so that no program loads them.
    const bool hidden = path.contains("/compat") || path.contains("/stubs") ||
                        path.contains("-packages/") || path.contains("/bin/");
    // Bases of nvidia/cuda hold cuDNN in some flavours alone.
    const bool absent = path.contains("cudnn") && last.image.repository.ends_with("nvidia/cuda") &&
                        !last.image.cudnn.known();
    if (!large || hidden || absent || is_not_there(last.image, path) ||
        makes_files(*step.instruction))
      return false;
    const Stage* root = nullptr;
    for (const StageView& stage : view_.stages)
      if (stage.final && stage.own_base) root = stage.stage;
    // Of NVIDIA's -min images there is none that is smaller.
    if (root == nullptr || (root->image && root->image->tag.ends_with("-min"))) return false;
    // What a step removes of it has one cause.
    if (!told_.insert(step.instruction).second) return true;
    Finding& found =
        sink_.add("removed-in-later-layer", *view_.file, span,
                  fmt::format("{} stays in the layers of the base: this only hides it", path));
    found.evidence = {
        fmt::format("line {}: FROM {}", view_.file->source.position(root->base.span.begin).line,
                    root->base_resolved),
        "a layer cannot take back what an earlier one holds: OCI image "
        "specification, whiteouts"};
    found.fix = "begin with a smaller base, or slim the finished image: flense slim";
    return true;
  }

  static bool updates(const Instruction& run) {
    return std::ranges::any_of(commands_of(run), [](const StepCommand& command) {
      return command.program.starts_with("apt") && command.has("update");
    });
  }

  /// `RUN apt-get update` alone, some steps before.
  const Instruction* update_before(const Step& step, std::string& what) const {
    if (updates(*step.instruction)) return nullptr;
    for (const Step& other : steps_.all()) {
      const Instruction& run = *other.instruction;
      if (run.keyword != Keyword::kRun || !before(&run, step) || run.flag("mount") != nullptr ||
          !updates(run))
        continue;
      const bool removes = std::ranges::any_of(commands_of(run), [](const StepCommand& command) {
        return command.program == "rm" &&
               std::ranges::any_of(command.arguments, [](const Argument& word) {
                 return word.text.starts_with("/var/lib/apt");
               });
      });
      if (removes) continue;
      what = "apt-get update fills /var/lib/apt/lists";
      return &run;
    }
    return nullptr;
  }

  /// Directories that package managers fill.
  bool removed_cache(const Step& step, Span span, const std::string& path) {
    const Instruction* maker = nullptr;
    std::string what;
    bool much = false;
    const auto installs = view_.installs_in(view_.stages.size() - 1);
    for (const Install* install : installs) {
      const PackageList& list = install->command;
      // The step cleans up after itself.
      if (std::ranges::any_of(installs, [&](const Install* own) {
            return own->instruction == step.instruction && own->command.manager == list.manager;
          }))
        continue;
      if (!before(install->instruction, step) || (maker != nullptr && much)) continue;
      if (install->instruction->flag("mount") != nullptr) continue;
      const bool pip = list.manager == PackageManager::kPip || list.manager == PackageManager::kUv;
      const auto* tool = view_.project->knowledge->build.cache(to_string(list.manager));
      const Step* own = steps_.find(install->instruction);
      if (pip && tool != nullptr && own != nullptr) {
        const ShellCommand* at = command_at(*install->instruction, list.span);
        const bool off = !switched_off(*install->instruction, at, list, *tool).empty();
        if (!off && lies_in(cache_directory(*own, at, *tool), path)) {
          maker = install->instruction;
          what = fmt::format("{} fills {}", tool->tool, path);
          much = brings_much(view_, *install) && keeps_copies(*install->instruction, at, list);
        }
      }
      if (list.manager == PackageManager::kApt && lies_in("/var/lib/apt/lists", path)) {
        const bool own_removal =
            std::ranges::any_of(commands_of(*install->instruction), [](const StepCommand& command) {
              return command.program == "rm" &&
                     std::ranges::any_of(command.arguments, [](const Argument& word) {
                       return word.text.starts_with("/var/lib/apt/lists");
                     });
            });
        const bool updates =
            std::ranges::any_of(commands_of(*install->instruction),
                                [](const StepCommand& command) { return command.has("update"); });
        // This very step may have run the update too.
        const bool here =
            std::ranges::any_of(commands_of(*step.instruction),
                                [](const StepCommand& command) { return command.has("update"); });
        if (updates && !own_removal && !here) {
          maker = install->instruction;
          what = "apt-get update fills /var/lib/apt/lists";
        }
      }
      if (list.manager == PackageManager::kConda && path.ends_with("/pkgs") &&
          install->instruction != step.instruction) {
        maker = install->instruction;
        what = fmt::format("{} fills {}", list.program, path);
        much = true;
      }
    }
    if (maker == nullptr && lies_in("/var/lib/apt/lists", path)) maker = update_before(step, what);
    if (maker == nullptr) return false;
    Finding& found =
        report(span, fmt::format("{} stays in the layer that filled it: this only hides it", path),
               maker, what);
    // 40 MB, beside gigabytes of CUDA.
    found.pedantic = what.starts_with("apt-get") || !much;
    found.fix =
        "empty it in the same RUN, or mount a cache there: --mount=type=cache,target=" + path;
    return true;
  }

  void purged(const Step& step, const StepCommand& command) {
    if (!command.has("purge") && !command.has("remove")) return;
    for (const Install* install : view_.installs_in(view_.stages.size() - 1)) {
      if (install->command.manager != PackageManager::kApt || !before(install->instruction, step))
        continue;
      for (const PackageRequest& request : install->command.packages) {
        const auto word = std::ranges::find(command.arguments, request.name, &Argument::text);
        if (word == command.arguments.end()) continue;
        Finding& found =
            report(word->span,
                   fmt::format("{} stays in the layer that installed it: this only hides its "
                               "files",
                               request.name),
                   install->instruction, "apt-get install " + request.name);
        found.pedantic = std::ranges::all_of(command.arguments, [](const Argument& one) {
          return one.text.starts_with('-') || is_small_package(one.text);
        });
        found.fix = "install, use and remove it in one RUN, or build in a stage of its own";
        return;
      }
    }
  }

  /// Whether the step installs or unpacks something itself, whose owner it may then set.
  static bool makes_files(const Instruction& run) {
    return std::ranges::any_of(commands_of(run), [](const StepCommand& command) {
      return command.has("install") || command.has("update") || command.program == "tar" ||
             command.program == "git" || command.program == "unzip" ||
             command.program.contains("conda");
    });
  }

  /// wget installer.sh && sh installer.sh && rm installer.sh: the layer has it no more.
  bool gone_at_once(const Written& one) const {
    const Step* maker = steps_.find(one.step);
    if (maker == nullptr || one.step->keyword != Keyword::kRun) return false;
    bool gone = false;
    each_command(*maker, [&](const StepCommand& command, const std::string& directory) {
      if (command.program != "rm") return;
      for (const Argument& word : command.arguments)
        if (const std::string path = path_of(*maker, word.text, directory);
            !path.empty() && path != "/" && lies_in(one.path, path))
          gone = true;
    });
    return gone;
  }

  /// Whether this user, as chown names it, ran all the steps that wrote into a directory.
  bool made_by(std::string_view owner, std::string_view path, const Step& step) const {
    const std::size_t colon = owner.find(':');
    const std::string_view user = owner.substr(0, colon);
    if (colon != owner.npos && owner.substr(colon + 1) != user) return false;
    return !is_root(user) && std::ranges::all_of(written_, [&](const Written& one) {
      if (!before(one.step, step) || !lies_in(one.path, path)) return true;
      const Step* maker = steps_.find(one.step);
      return maker != nullptr && maker->user == user && !one.step->copies();
    });
  }

  void owned(const Step& step, const StepCommand& command, const std::string& directory) {
    bool recursive = false;
    for (const Argument& word : command.arguments)
      recursive = recursive || word.text == "--recursive" ||
                  (word.text.size() > 1 && word.text[0] == '-' && word.text[1] != '-' &&
                   holds(word.text, "R"));
    if (!recursive || makes_files(*step.instruction)) return;
    bool mode = true;  // the first word is the owner or the mode
    std::string owner;
    for (const Argument& word : command.arguments) {
      if (word.text.starts_with('-')) continue;
      if (mode) {
        mode = false;
        owner = word.text;
        continue;
      }
      const std::string path = path_of(step, word.text, directory);
      if (path.empty()) continue;
      for (const Written& one : written_) {
        if (!before(one.step, step) || (!lies_in(path, one.path) && !lies_in(one.path, path)))
          continue;
        const bool copy = one.step->copies();
        const bool sized =
            copy && one.step->flag("from") == nullptr && !one.download && sent_.known();
        const std::uint64_t bytes = sized ? copied_bytes(one, path) : 0;
        if ((sized && bytes < kWorth) || gone_at_once(one)) continue;
        Finding& found = sink_.add(
            "chown-in-own-layer", *view_.file, command.shell->span,
            fmt::format("{} -R writes every file of {} into a second layer{}", command.program,
                        path, bytes > 0 ? ": " + human_bytes(bytes) + " once more" : ""));
        found.evidence = {
            fmt::format("line {}: {} writes {}",
                        view_.file->source.position(one.step->span.begin).line, one.how, one.path),
            "overlay file systems copy a file whole when its owner or mode changes"};
        // What cp and mv take is mostly a file of something that weighs more.
        found.pedantic = !is_much(one, bytes) || one.how == "cp" || one.how == "mv";
        if (!copy && command.program == "chown" && made_by(owner, path, step)) {
          found.fix = fmt::format("delete it: {} made the files, and owns them", owner);
          return;
        }
        found.fix = copy ? fmt::format("write {} --{}=… and delete this step", one.how,
                                       command.program == "chmod" ? "chmod" : "chown")
                         : fmt::format(
                               "put the {} into the RUN that makes the files, or make them "
                               "as that user",
                               command.program);
        return;
      }
    }
  }

  const FileView& view_;
  const StageSteps& steps_;
  const SentFiles& sent_;
  FindingSink& sink_;
  std::vector<Written> written_;
  std::set<const Instruction*> told_;  ///< of what the base brought
  std::size_t asked_ = 0;
};

}  // namespace

void judge_size_layers(const Project& /*project*/, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    const SentFiles sent(view);
    Layers(view, steps, sent, sink).run();
  }
}

}  // namespace flense::lint
