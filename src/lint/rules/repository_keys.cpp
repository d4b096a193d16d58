// The key of NVIDIA's CUDA repository, withdrawn in April 2022: steps that fetch the old one, and
// images that hold no other.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kOldKey = "7fa2af80";
constexpr std::string_view kNotice =
    "NVIDIA, Updating the CUDA Linux GPG Repository Key (2022-04-27): 3bf863cc";

void old_key_fetched(const FileView& view, const StageView& stage, FindingSink& sink) {
  // Beside the new one, or the package that brings it, the old key is idle.
  for (const std::string_view word : {"3bf863cc", "cuda-keyring"})
    if (commands_mention(view, stage.index, word)) return;
  const auto judge = [&](std::string_view word, Span span) {
    if (!holds(word, kOldKey)) return;
    // dnf takes the new key from the repository's own file; the repository machine-learning still
    // has this one.
    for (const std::string_view other :
         {"/rhel", "/fedora", "/sles", "/opensuse", "machine-learning"})
      if (holds(word, other)) return;
    Finding& found =
        sink.add("cuda-repository-key", *view.file, span,
                 "7fa2af80 is the key that NVIDIA withdrew in April 2022: the repository's "
                 "signatures do not match it, and apt-get update fails");
    found.evidence = {std::string(kNotice)};
    found.fix =
        "install cuda-keyring_1.1-1_all.deb of the same directory; at least write 3bf863cc in "
        "place of 7fa2af80";
    const std::string_view raw = view.text(span);
    if (const std::size_t place = raw.find(kOldKey); place != raw.npos)
      found.edits.push_back(
          {{span.begin + place, span.begin + place + kOldKey.size()}, "3bf863cc"});
  };
  for (const Instruction& instruction : stage.stage->instructions) {
    for (const ShellCommand& command : instruction.commands) {
      // `apt-key del 7fa2af80` is what NVIDIA's instructions say.
      const bool deletes = std::ranges::any_of(command.words, [](const ShellWord& word) {
        return word.text == "del" || word.text == "rm";
      });
      if (deletes) continue;
      for (const ShellWord& word : command.words) judge(word.text, word.span);
    }
    if (instruction.keyword == Keyword::kAdd)
      for (const Word& word : instruction.words) judge(word.text, word.span);
  }
}

/// Words of steps after which apt-get update may go well: the new key, the repository's removal,
/// sources that are not checked, or files and scripts that may do one of these.
constexpr auto kMayMend = std::to_array<std::string_view>(
    {"3bf863cc", "A4B469963BF863CC", "cuda-keyring", "sources.list", "/etc/apt", "apt-key",
     "Insecure", "unauthenticated", "trusted", "gpg", "keyring"});

bool may_mend(const Instruction& step) {
  const auto mends = [](std::string_view word) {
    return std::ranges::any_of(kMayMend, [&](std::string_view one) { return holds(word, one); });
  };
  for (const ShellCommand& command : step.commands) {
    if (std::ranges::any_of(command.words,
                            [&](const ShellWord& word) { return mends(word.text); }) ||
        std::ranges::any_of(command.redirections,
                            [&](const ShellRedirection& one) { return mends(one.target.text); }))
      return true;
    // What a script of the project does is not known; ./install.sh is one of a download.
    for (const ShellWord& word : command.words)
      if (word.text.ends_with(".sh") && holds(word.text, "/") && !word.text.starts_with("./") &&
          !holds(word.text, "://") &&
          (&word == &command.words.front() || is_shell(command.words.front().text)))
        return true;
  }
  return step.keyword != Keyword::kRun && step.keyword != Keyword::kFrom &&
         std::ranges::any_of(step.words, [&](const Word& word) { return mends(word.text); });
}

/// The command that reads the repositories' lists and ends the step where it fails; null: none.
const ShellCommand* reads_lists(const Instruction& step) {
  const std::vector<StepCommand> commands = commands_of(step);
  for (const StepCommand& command : commands)
    if (is_one_of(command.program, {"apt-get", "apt"}) && command.has("update"))
      return command.shell->depth == 0 &&
                     (command.shell->joined_by == "&&" || &command == &commands.back())
                 ? command.shell
                 : nullptr;
  return nullptr;
}

/// An image that was published before the key was replaced, and a step that asks its repositories.
void image_with_old_key(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (!stage.own_base || !stage.reachable || !stage.stage->image ||
      !stage.stage->image->digest.empty())
    return;
  const knowledge::OldKeyRow* row = view.project->knowledge->images.old_key(
      stage.stage->image->familiar(), stage.stage->image->tag);
  if (row == nullptr) return;
  for (const Instruction& step : stage.stage->instructions) {
    const ShellCommand* update = reads_lists(step);
    if (update == nullptr) {
      if (may_mend(step)) return;
      continue;
    }
    if (may_mend(step)) return;
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
    found.fix = fmt::format("{}; or, in front of this step, {}", row->instead, fetch);
    if (update->words.front().text != "sudo")
      found.edits.push_back({{step.span.begin, step.span.begin}, fetch + "\n"});
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
