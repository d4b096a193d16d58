// Archives, packages and installers that a step fetches and unpacks, and that no step deletes.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/written_paths.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostArchives = 200;

bool creates_or_lists(const StepCommand& tar) {
  if (tar.arguments.empty()) return true;
  const std::string_view mode = tar.arguments.front().text;
  return !tar.has("--extract") && !tar.has("--get") &&
         std::ranges::none_of(tar.arguments, [&](const Argument& word) {
           const bool is_mode =
               word.text == mode || (word.text.starts_with('-') && !word.text.starts_with("--"));
           return is_mode && word.text.contains('x');
         });
}

/// A program that makes something of an archive and leaves it as it is.
bool unpacks(const StepCommand& command) {
  if (is_one_of(command.program, {"tar", "bsdtar"})) return !creates_or_lists(command);
  if (is_one_of(command.program, {"dpkg", "rpm"}))
    return std::ranges::any_of(command.arguments, [](const Argument& word) {
      return starts_with_any(word.text, {"-i", "--install", "-U", "-ivh", "-Uvh", "-x"});
    });
  return is_one_of(command.program, {"unzip", "7z", "7za", "gdebi", "apt", "apt-get", "yum", "dnf",
                                     "pip", "pip3"}) ||
         is_shell(command.program);
}

/// Gigabytes, whatever else the image holds.
bool is_of_toolkit(std::string_view path) {
  const std::string name = to_lower(file_name(path));
  return std::ranges::any_of(
      std::to_array<std::string_view>({"cuda", "cudnn", "tensorrt", "nsight"}),
      [&](std::string_view word) { return name.contains(word); });
}

/// Of one library, or of a repository's own settings.
bool is_small_package(std::string_view path) {
  const std::string name = to_lower(file_name(path));
  return ends_with_any(name, {".deb", ".rpm"}) && !is_of_toolkit(path) &&
         (starts_with_any(name, {"lib", "amdgpu-install"}) || name.contains("apt-source") ||
          name.contains("-release"));
}

class KeptArchives {
 public:
  KeptArchives(const FileView& view, const StageSteps& steps, FindingSink& sink)
      : view_(view), steps_(steps), sink_(sink) {}

  void run() {
    std::size_t asked = 0;
    for (const Written& one : written_paths(steps_)) {
      if (!is_one_of(one.how, {"wget", "curl", "aria2c"}) || !is_archive(one.path) ||
          is_small_name(one.path) || is_small_package(one.path) ||
          (!view_.for_gpu && !is_of_toolkit(one.path)) || ++asked > kMostArchives)
        continue;
      const Instruction* user = used_by(one);
      if (user != nullptr) report(one, *user);
    }
  }

 private:
  /// The step that unpacks or installs the archive; null: none, or it may be deleted or moved.
  const Instruction* used_by(const Written& one) const {
    const Instruction* out = nullptr;
    bool is_gone = false;
    for (const Step& step : steps_.all()) {
      if (step.instruction->keyword != Keyword::kRun ||
          step.instruction->span.begin < one.step->span.begin)
        continue;
      each_command_from(step.start(), step,
                        [&](const StepCommand& command, const std::string& directory) {
                          if (command.shell->span.begin <= one.span.begin) return;
                          is_gone = is_gone || may_take_away(step, command, directory, one.path);
                          if (out == nullptr && uses(step, command, directory, one.path))
                            out = step.instruction;
                        });
    }
    return is_gone ? nullptr : out;
  }

  static bool uses(const Step& step, const StepCommand& command, const std::string& directory,
                   const std::string& path) {
    // ./x.run --silent
    if (path.ends_with(".run") && command.program == file_name(path)) return true;
    return unpacks(command) && std::ranges::any_of(command.arguments, [&](const Argument& word) {
             return path_of(step, word.text, directory) == path;
           });
  }

  /// rm, mv and find of what may be the archive: a path over it, or one that is not known.
  static bool may_take_away(const Step& step, const StepCommand& command,
                            const std::string& directory, const std::string& path) {
    const bool moves = command.program == "mv";
    if (command.program == "find" || command.program == "xargs")
      return command.has("-delete") || command.has("rm");
    if (!moves && !is_one_of(command.program, {"rm", "unlink", "git"}) && !command.has("rm"))
      return false;
    if (command.program == "git") return command.has("clean");
    return std::ranges::any_of(command.arguments, [&](const Argument& word) {
      if (word.text.starts_with('-')) return false;
      const std::string named = path_of(step, word.text, directory);
      return named.empty() || lies_in(path, named) ||
             (word.text.ends_with('*') && path.starts_with(named));
    });
  }

  void report(const Written& one, const Instruction& user) const {
    const std::string_view name = file_name(one.path);
    const bool at_once = one.step == &user;
    Finding& found = sink_.add("package-cache-in-layer", *view_.file, one.span,
                               fmt::format("{} stays in this layer beside what is made of it: no "
                                           "step deletes it",
                                           name));
    found.pedantic = true;
    found.evidence = {fmt::format("line {} unpacks or installs it",
                                  view_.file->source.position(user.span.begin).line),
                      "a layer cannot take back what an earlier one holds: OCI image "
                      "specification, whiteouts"};
    found.fix = at_once ? fmt::format("delete it in the same RUN: && rm {}", name)
                        : "fetch it, unpack or install it, and delete it in one RUN";
  }

  const FileView& view_;
  const StageSteps& steps_;
  FindingSink& sink_;
};

}  // namespace

void judge_kept_archives(const Project& /*project*/, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    KeptArchives(view, steps, sink).run();
  }
}

}  // namespace flense::lint
