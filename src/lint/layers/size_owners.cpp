// Owners and modes that a step of its own sets: every file is in the image twice.
#include "lint/layers/size_owners.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/layer_paths.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostOwners = 2'000;

class Owners {
 public:
  Owners(const FileView& view, const StageSteps& steps, const SentFiles& sent,
         const std::vector<Written>& written, FindingSink& sink)
      : view_(view), steps_(steps), sent_(sent), sink_(sink), written_(written) {}

  void run() {
    for (const Step& step : steps_.all()) {
      if (step.instruction->keyword != Keyword::kRun) continue;
      each_command(step, [&](const StepCommand& command, const std::string& directory) {
        if (++asked_ > kMostOwners) return;
        if (is_one_of(command.program, {"chown", "chmod", "chgrp"}) && told_ != step.instruction)
          owned(step, command, directory);
      });
    }
  }

 private:
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

  /// Whether this user, as chown names it, ran all the steps that wrote into a directory, or what
  /// it is a part of.
  bool made_by(std::string_view owner, std::string_view path, const Step& step) const {
    const std::size_t colon = owner.find(':');
    const std::string_view user = owner.substr(0, colon);
    if (colon != owner.npos && owner.substr(colon + 1) != user) return false;
    return !is_root(user) && std::ranges::all_of(written_, [&](const Written& one) {
      if (!is_before(one.step, step) || (!lies_in(one.path, path) && !lies_in(path, one.path)))
        return true;
      const Step* maker = steps_.find(one.step);
      return maker != nullptr && maker->user == user && !one.step->copies();
    });
  }

  /// Whether a copy gives its files the owner or the mode that a command sets once more.
  static bool sets_itself(const StepCommand& command, std::string_view owner,
                          const Instruction& copy) {
    if (command.program != "chown" && command.program != "chmod") return false;
    const Flag* flag = copy.flag(command.program);
    if (flag == nullptr || flag->value.empty()) return false;
    if (flag->value == owner) return true;
    // A user alone stands for his group too, or leaves it as it is.
    const auto user = [](std::string_view name) { return name.substr(0, name.find(':')); };
    const auto group = [](std::string_view name) {
      const std::size_t colon = name.find(':');
      return colon == name.npos ? std::string_view() : name.substr(colon + 1);
    };
    return command.program == "chown" && user(flag->value) == user(owner) &&
           (group(owner).empty() || group(flag->value).empty() ||
            group(owner) == group(flag->value));
  }

  /// What mkdir makes below a path: "/app/uploads, /app/data".
  std::string made_by_root(std::string_view path, const Step& step) const {
    std::string out;
    for (const Step& one : steps_.all()) {
      if (!is_root(one.user) || one.instruction->keyword != Keyword::kRun ||
          (one.instruction != step.instruction && !is_before(one.instruction, step)))
        continue;
      each_command(one, [&](const StepCommand& command, const std::string& directory) {
        if (command.program != "mkdir") return;
        for (const Argument& word : command.arguments) {
          const std::string made = path_of(one, word.text, directory);
          if (!word.text.starts_with('-') && made != path && lies_in(made, path))
            out += fmt::format("{}{}", out.empty() ? "" : ", ", made);
        }
      });
    }
    return out;
  }

  /// Whether the user comes into being behind the copy, which then knows no such name.
  bool makes_user_later(const Step& step, const Instruction& copy) const {
    return std::ranges::any_of(steps_.all(), [&](const Step& one) {
      return is_before(&copy, one) &&
             (one.instruction == step.instruction || is_before(one.instruction, step)) &&
             std::ranges::any_of(commands_of(*one.instruction), [](const StepCommand& command) {
               return is_one_of(command.program, {"useradd", "adduser", "groupadd", "addgroup"});
             });
    });
  }

  /// The conda of a base that has its programs there: gigabytes of PyTorch's.
  bool of_base(const Step& step, const StepCommand& command, const std::string& path) {
    constexpr std::string_view kConda = "/opt/conda";
    const GpuImage& image = view_.stages.back().image;
    // From 2.10 on it has none.
    const bool torch = image.repository == "pytorch/pytorch" && image.framework_version.known() &&
                       compare_versions(image.framework_version.value, "2.10") < 0;
    if (!lies_in(kConda, path) || command.program == "chmod" || path == "/" ||
        !(torch || is_one_of(image.repository, {"continuumio/miniconda3", "continuumio/anaconda3",
                                                "condaforge/miniforge3"})) ||
        std::ranges::any_of(steps_.all(), [&](const Step& one) {
          return is_before(one.instruction, step) && one.instruction->keyword == Keyword::kRun &&
                 std::ranges::any_of(commands_of(*one.instruction), [](const StepCommand& other) {
                   return other.program == "rm" &&
                          std::ranges::any_of(other.arguments, [](const Argument& gone) {
                            return gone.text.contains("/opt/conda");
                          });
                 });
        }))
      return false;
    Finding& found =
        sink_.add("chown-in-own-layer", *view_.file, command.shell->span,
                  fmt::format("{} -R writes every file of the base's {} into a layer of its own{}",
                              command.program, kConda, torch ? ": gigabytes" : ""));
    found.evidence = {image.repository + " has its Python there",
                      "overlay file systems copy a file whole when its owner or mode changes"};
    found.fix =
        "leave it to root, and install what the user adds into an environment of his own "
        "(python -m venv --system-site-packages)";
    found.pedantic = !torch || command.shell->depth > 0;
    told_ = step.instruction;
    return true;
  }

  /// The folder of Python packages of a base that has torch among them.
  bool packages_of_base(const Step& step, const StepCommand& command, const std::string& path) {
    const std::string& image = view_.stages.back().image.repository;
    if (!path.starts_with("/usr/local/lib/python3") ||
        !ends_with_any(path, {"/dist-packages", "/site-packages"}) ||
        !is_one_of(image, {"nvcr.io/nvidia/pytorch", "nvcr.io/nvidia/tensorflow",
                           "vllm/vllm-openai", "lmsysorg/sglang"}))
      return false;
    Finding& found = sink_.add(
        "chown-in-own-layer", *view_.file, command.shell->span,
        fmt::format("{} -R writes every file of the base's {} into a layer of its own: gigabytes",
                    command.program, path));
    found.evidence = {image + " has its Python packages there",
                      "overlay file systems copy a file whole when its owner or mode changes"};
    found.fix =
        "leave it to root, and install what the user adds into an environment of his own "
        "(python -m venv --system-site-packages)";
    found.pedantic = command.shell->depth > 0;
    told_ = step.instruction;
    return true;
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
      if (of_base(step, command, path) || packages_of_base(step, command, path)) return;
      for (const Written& one : written_) {
        if (!is_before(one.step, step) || (!lies_in(path, one.path) && !lies_in(one.path, path)))
          continue;
        const bool copy = one.step->copies();
        // Scripts and links alone.
        if (one.how == "the virtual environment" && path != one.path && lies_in(path, one.path) &&
            is_one_of(file_name(path), {"bin", "etc", "include", "scripts"}))
          continue;
        // That writes nothing new of theirs.
        if (copy && sets_itself(command, owner, *one.step)) continue;
        const bool sized =
            copy && one.step->flag("from") == nullptr && !one.download && sent_.known();
        const std::uint64_t bytes = sized ? copied_bytes(sent_, one, path) : 0;
        if ((sized && bytes < kWorth) || gone_at_once(one)) continue;
        Finding& found = sink_.add(
            "chown-in-own-layer", *view_.file, command.shell->span,
            fmt::format("{} -R writes every file of {} into a second layer{}", command.program,
                        path, bytes > 0 ? ": " + human_bytes(bytes) + " once more" : ""));
        found.evidence = {
            fmt::format("line {}: {} writes {}",
                        view_.file->source.position(one.step->span.begin).line, one.how, one.path),
            "overlay file systems copy a file whole when its owner or mode changes"};
        told_ = step.instruction;
        // What cp and mv take is mostly a file of something that weighs more.
        found.pedantic = !is_much(one, bytes) || one.how == "cp" || one.how == "mv";
        if (!copy && command.program == "chown" && made_by(owner, path, step)) {
          found.fix = fmt::format("delete it: {} made the files, and owns them", owner);
          return;
        }
        const bool sets_mode = command.program == "chmod";
        const bool symbolic = sets_mode && !all_digits(owner);
        const std::string made = made_by_root(path, step);
        found.fix =
            !copy ? fmt::format(
                        "put the {} into the RUN that makes the files, or make them "
                        "as that user",
                        command.program)
                  : fmt::format(
                        "write {} --{}=…{}, and let this step change only what root makes beside "
                        "it ({})",
                        one.how, sets_mode ? "chmod" : "chown",
                        symbolic ? " (a mode in letters wants docker/dockerfile:1.14)"
                        : !sets_mode && makes_user_later(step, *one.step)
                            ? " with a number, as a later step makes the user"
                            : "",
                        made.empty() ? "WORKDIR, mkdir" : made);
        return;
      }
    }
  }

  const FileView& view_;
  const StageSteps& steps_;
  const SentFiles& sent_;
  FindingSink& sink_;
  const std::vector<Written>& written_;
  const Instruction* told_ = nullptr;  ///< a step writes its files once, whatever it sets
  std::size_t asked_ = 0;
};

}  // namespace

void judge_owners(const FileView& view, const StageSteps& steps, const SentFiles& sent,
                  const std::vector<Written>& written, FindingSink& sink) {
  Owners(view, steps, sent, written, sink).run();
}

}  // namespace flense::lint
