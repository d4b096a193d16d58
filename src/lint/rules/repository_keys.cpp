// The key of NVIDIA's CUDA repository, withdrawn in April 2022: steps that fetch the old one, and
// images that hold no other.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/inserted_line.h"
#include "lint/facts/layer_paths.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kOldKey = "7fa2af80";
constexpr std::string_view kNotice =
    "NVIDIA, Updating the CUDA Linux GPG Repository Key (2022-04-27): 3bf863cc";

/// "ubuntu1804" of "…/compute/cuda/repos/ubuntu1804/x86_64/7fa2af80.pub"; empty: none is named.
std::string_view directory_of_key(std::string_view word) {
  constexpr std::string_view kPath = "/repos/";
  const std::size_t at = word.find(kPath);
  if (at == word.npos) return {};
  word.remove_prefix(at + kPath.size());
  word = word.substr(0, word.find('/'));
  return word.contains('$') ? std::string_view() : word;
}

/// The directory of NVIDIA's repository for the base: "ubuntu2004"; empty: not known.
std::string directory_of_base(const StageView& stage) {
  std::string out = stage.image.distribution.value;
  std::erase(out, '.');
  return starts_with_any(out, {"ubuntu", "debian"}) ? out : std::string();
}

/// Whether a step adds a repository of NVIDIA's to the base's.
bool adds_repository(const FileView& view, const StageView& stage) {
  const auto names = [](std::string_view word) {
    return (holds(word, "nvidia.com") || holds(word, "cuda-repo")) && !word.ends_with(".pub") &&
           !holds(word, "7fa2af80") && !holds(word, "/devtools/");
  };
  for (const std::size_t one : view.dockerfile->lineage(stage.index))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if (step.copies() && view.text(step.span).contains(".list")) return true;
      for (const ShellCommand& command : step.commands)
        if (std::ranges::any_of(command.words,
                                [&](const ShellWord& word) { return names(word.text); }))
          return true;
    }
  return false;
}

void old_key_fetched(const FileView& view, const StageView& stage, FindingSink& sink) {
  // Beside the new one, or the package that brings it, the old key is idle.
  for (const std::string_view word : {"3bf863cc", "3BF863CC", "cuda-keyring"})
    if (commands_mention(view, stage.index, word)) return;
  const bool adds = adds_repository(view, stage);
  // NVIDIA's repository of its tools is signed with it still.
  if (!adds && commands_mention(view, stage.index, "/devtools/repos")) return;
  const auto judge = [&](std::string_view word, Span span, bool summed) {
    // A key's number is read in any case.
    if (!holds(to_lower(word), kOldKey)) return;
    // dnf takes the new key from the repository's own file; the repository machine-learning still
    // has this one, and a local one what its package of then brought.
    for (const std::string_view other :
         {"/rhel", "/fedora", "/sles", "/opensuse", "machine-learning", "/var/cuda-repo-"})
      if (holds(word, other)) return;
    Finding& found =
        sink.add("cuda-repository-key", *view.file, span,
                 "7fa2af80 is the key that NVIDIA withdrew in April 2022: the repository's "
                 "signatures do not match it, and apt-get update fails");
    found.evidence = {std::string(kNotice)};
    const std::string_view named = directory_of_key(word);
    const std::string own = directory_of_base(stage);
    // NVIDIA's own images were built again, and have the new one.
    const bool other = starts_with_any(named, {"ubuntu", "debian"}) && named != own;
    if (!own.empty() && !adds && (other || stage.image.repository == "nvidia/cuda")) {
      found.message =
          "7fa2af80 is the key that NVIDIA withdrew in April 2022, and no repository of NVIDIA's "
          "that has it is asked: it is idle";
      found.fix = fmt::format(
          "delete it; where apt-get update then misses a key, fetch "
          "…/compute/cuda/repos/{}/x86_64/3bf863cc.pub",
          own);
      found.pedantic = true;
      return;
    }
    const bool by_address = holds(word, "://") && !holds(word, "keyserver");
    found.fix =
        !by_address ? "fetch 3bf863cc.pub of the repository's own directory in its place"
        : own.empty() || named.empty() || own == named
            ? "write 3bf863cc in place of 7fa2af80"
            : fmt::format("fetch …/compute/cuda/repos/{}/x86_64/3bf863cc.pub in its place", own);
    if (summed) found.fix += ", and the checksum of that file";
    const std::string_view raw = view.text(span);
    // Of a longer number the beginning would have to change too.
    if (const std::size_t place = raw.find(kOldKey);
        !summed && place != raw.npos && (place == 0 || !is_alphanumeric(raw[place - 1])))
      found.edits.push_back(
          {{span.begin + place, span.begin + place + kOldKey.size()}, "3bf863cc"});
  };
  for (const Instruction& instruction : stage.stage->instructions) {
    if (view.text(instruction.span).contains("/devtools/repos")) continue;
    const bool summed = std::ranges::any_of(commands_of(instruction), [](const auto& command) {
      return command.program == "sha256sum";
    });
    for (const ShellCommand& command : instruction.commands) {
      // `apt-key del 7fa2af80` is what NVIDIA's instructions say.
      const bool deletes = std::ranges::any_of(command.words, [](const ShellWord& word) {
        return is_one_of(word.text, {"del", "rm", "remove"});
      });
      if (deletes) continue;
      for (const ShellWord& word : command.words) judge(word.text, word.span, summed);
    }
    if (instruction.keyword == Keyword::kAdd)
      for (const Word& word : instruction.words) judge(word.text, word.span, false);
  }
}

/// Words of steps after which apt-get update may go well: the new key, the repository's removal,
/// sources that are not checked, or files that may do one of these. apt reads its options in any
/// case, and gpg the numbers of keys.
constexpr auto kMayMend = std::to_array<std::string_view>(
    {"3bf863cc", "cuda-keyring", "sources.list", "/etc/apt", "apt-key", "insecure",
     "unauthenticated", "trusted", "gpg", "keyring"});

bool may_mend(const Instruction& step) {
  const auto mends = [](std::string_view word) {
    const std::string low = to_lower(word);
    return std::ranges::any_of(kMayMend, [&](std::string_view one) { return holds(low, one); });
  };
  for (const ShellCommand& command : step.commands)
    if (std::ranges::any_of(command.words,
                            [&](const ShellWord& word) { return mends(word.text); }) ||
        std::ranges::any_of(command.redirections,
                            [&](const ShellRedirection& one) { return mends(one.target.text); }))
      return true;
  return step.keyword != Keyword::kRun && step.keyword != Keyword::kFrom &&
         std::ranges::any_of(step.words, [&](const Word& word) { return mends(word.text); });
}

/// Whether a step runs what another step brought, or a mount: what a script does is not known.
bool runs_brought(Step step, const std::vector<Written>& brought) {
  if (step.directory.empty()) step.directory = "/";
  const std::vector<std::string> mounts = mount_targets(*step.instruction);
  bool out = false;
  each_command(step, [&](const StepCommand& command, const std::string& directory) {
    const auto judge = [&](std::string_view word) {
      const std::string path = path_of(step, word, directory);
      // A directory that is not known may be one of them.
      out =
          out || (path.empty() && word.ends_with(".sh")) ||
          std::ranges::any_of(brought, [&](const auto& one) { return lies_in(path, one.path); }) ||
          std::ranges::any_of(mounts, [&](const auto& one) { return lies_in(path, one); });
    };
    const std::string_view program = command.shell->words[program_of(*command.shell).first].text;
    if (holds(program, "/")) judge(program);
    if (is_shell(program) || is_one_of(program, {".", "source"}) || program.starts_with("python"))
      for (const Argument& word : command.arguments) judge(word.text);
  });
  return out;
}

/// The command that reads the repositories' lists and ends the step where it fails; null: none.
const ShellCommand* reads_lists(const Instruction& step) {
  const std::vector<StepCommand>& commands = commands_of(step);
  for (const StepCommand& command : commands)
    if (is_one_of(command.program, {"apt-get", "apt"}) && command.has("update"))
      return command.shell->depth == 0 &&
                     (command.shell->joined_by == "&&" || &command == &commands.back())
                 ? command.shell
                 : nullptr;
  return nullptr;
}

bool pipes_to_shell(const Instruction& step) {
  return std::ranges::any_of(commands_of(step), [](const StepCommand& command) {
    return is_shell(command.program) && !command.has("-c") &&
           (command.arguments.empty() || command.arguments.front().text.starts_with('-'));
  });
}

/// An image that was published before the key was replaced, and a step that asks its repositories.
void image_with_old_key(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.own_base || !stage.reachable || !stage.stage->image ||
      !stage.stage->image->digest.empty())
    return;
  const knowledge::OldKeyRow* row = view.project->knowledge->images.old_key(
      stage.stage->image->familiar(), stage.stage->image->tag);
  if (row == nullptr) return;
  const StageSteps steps(view, stage.index);
  const std::vector<Written> brought = written_paths(steps);
  const Instruction* place = nullptr;  // curl … | bash, which may update too
  for (const Instruction& step : stage.stage->instructions) {
    if (place == nullptr && pipes_to_shell(step)) place = &step;
    if (may_mend(step) || runs_brought(*steps.find(&step), brought)) return;
    const ShellCommand* update = reads_lists(step);
    if (update == nullptr) continue;
    Finding& found = sink.add(
        "cuda-repository-key", *view.file, update->span,
        fmt::format("{}:{} was published before NVIDIA replaced the key of its repository in April "
                    "2022, and holds the old one alone: apt-get update fails with NO_PUBKEY "
                    "A4B469963BF863CC",
                    row->repository, stage.stage->image->tag));
    found.evidence = {row->source, std::string(kNotice)};
    if (!row->document.empty()) found.evidence.push_back(row->document);
    const std::string fetch = fmt::format(
        "RUN apt-key adv --fetch-keys "
        "https://developer.download.nvidia.com/compute/cuda/repos/{}/x86_64/3bf863cc.pub",
        row->directory);
    if (place == nullptr) place = &step;
    const bool by_root = is_root(steps.find(place)->user);
    found.fix =
        fmt::format("{}; or, {}in front of line {}, {}", row->instead, by_root ? "" : "as root ",
                    view.file->source.position(place->span.begin).line, fetch);
    if (by_root && update->words.front().text != "sudo")
      if (auto edit = line_above(view.file->source, place->span.begin, fetch))
        found.edits.push_back(*std::move(edit));
    return;
  }
}

}  // namespace

void judge_repository_keys(const Project& /*project*/, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      old_key_fetched(view, stage, sink);
      image_with_old_key(view, stage, sink);
    }
}

}  // namespace flense::lint
