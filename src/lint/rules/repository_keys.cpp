// The key of NVIDIA's CUDA repository, withdrawn in April 2022: steps that fetch the old one, and
// images that hold no other.
#include <algorithm>
#include <array>
#include <optional>

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

/// Whether a step adds NVIDIA's repository of CUDA to the base's.
bool adds_repository(const FileView& view, const StageView& stage) {
  const auto names = [](std::string_view word) {
    return (holds(word, "/compute/cuda/repos") || holds(word, "cuda-repo") ||
            holds(word, "sources.list.d/cuda")) &&
           !word.ends_with(".pub") && !holds(word, kOldKey);
  };
  for (const std::size_t one : view.dockerfile->lineage(stage.index))
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      if (mentions(step, names) || (step.copies() && view.text(step.span).contains(".list")))
        return true;
  return false;
}

/// What a step compares the old key with, as a sentence names it; empty: nothing.
std::string checks_of(const FileView& view, const Instruction& step) {
  std::string out;
  const auto is_fingerprint = [](std::string_view value) {
    return value.size() >= 40 && to_lower(value).ends_with(kOldKey);
  };
  for (const ShellCommand& command : step.commands)
    for (const ShellAssignment& one : command.assignments)
      if (is_fingerprint(one.value.text)) out = one.name;
  if (out.empty()) {
    const Environment& environment = environment_of(step);
    const auto at = std::ranges::find_if(
        environment, [&](const auto& one) { return one.second && is_fingerprint(*one.second); });
    if (at != environment.end() && uses_variable(view.text(step.span), at->first)) out = at->first;
  }
  if (!out.empty()) out = fmt::format("its fingerprint in {}", out);
  if (compares_sums(commands_of(step))) out += out.empty() ? "the checksum" : " and the checksum";
  return out;
}

/// Where an old key is fetched.
struct KeyStage {
  const FileView& view;
  const StageView& stage;
  bool adds = false;          ///< adds_repository()
  bool needed_still = false;  ///< by NVIDIA's repository machine-learning, which is added too
  bool old_base = false;      ///< its base has the repository, and this key alone
  bool fetched = false;       ///< from its address, by all that name its file
};

bool is_address(std::string_view word) {
  return holds(word, "://");
}

/// Whether the file of the key comes from its address: a copied one has the name that it has in
/// the context.
bool fetches_key(const Stage& stage) {
  bool fetched = false;
  for (const Instruction& step : stage.instructions) {
    if (step.copies() && std::ranges::any_of(step.words, [](const Word& word) {
          return holds(word.text, kOldKey) && !is_address(word.text);
        }))
      return false;
    fetched = fetched || mentions(step, [](std::string_view word) {
                return is_address(word) && holds(word, kOldKey);
              });
  }
  return fetched;
}

/// The old key of which a word is the number or the address; `checks`: checks_of() its step.
void judge_old_key(const KeyStage& of, std::string_view word, Span span, const std::string& checks,
                   FindingSink& sink) {
  // A key's number is read in any case.
  if (!holds(to_lower(word), kOldKey)) return;
  // dnf takes the new key from the repository's own file; the repository machine-learning still
  // has this one, and a local one what its package of then brought.
  for (const std::string_view other :
       {"/rhel", "/fedora", "/sles", "/opensuse", "machine-learning", "/var/cuda-repo-"})
    if (holds(word, other)) return;
  Finding& found =
      sink.add("cuda-repository-key", *of.view.file, span,
               "7fa2af80 is the key that NVIDIA withdrew in April 2022: the repository's "
               "signatures do not match it, and apt-get update fails");
  found.evidence = {std::string(kNotice)};
  const std::string_view named = directory_of_key(word);
  const std::string own = directory_of_base(of.stage);
  if (!of.adds && !of.old_base) {
    found.pedantic = true;
    // NVIDIA's own images were built again, and have the new one; a distribution's, and Jetson's,
    // have not the repository.
    if (!own.empty()) {
      found.message =
          "7fa2af80 is the key that NVIDIA withdrew in April 2022, and no repository of NVIDIA's "
          "that has it is asked: it is idle";
      found.fix = "delete it";
      if (of.stage.image.platform != "jetson")
        found.fix += fmt::format(
            "; where apt-get update then misses a key, fetch "
            "…/compute/cuda/repos/{}/x86_64/3bf863cc.pub",
            own);
      return;
    }
    found.message =
        "7fa2af80 is the key that NVIDIA withdrew in April 2022: where the base has NVIDIA's "
        "repository, apt-get update fails";
  }
  const bool by_address = is_address(word) && !holds(word, "keyserver");
  if (of.needed_still) {
    found.evidence.emplace_back("the repository machine-learning is signed with 7fa2af80 still");
    found.fix = "fetch 3bf863cc.pub of the repository's own directory beside it";
    if (!checks.empty())
      found.fix += fmt::format(
          "; what the step compares ({}) is the old key's: compare the new one's too", checks);
    return;
  }
  found.fix =
      !by_address ? "fetch 3bf863cc.pub of the repository's own directory in its place"
      : own.empty() || named.empty() || own == named
          ? "write 3bf863cc in place of 7fa2af80"
          : fmt::format("fetch …/compute/cuda/repos/{}/x86_64/3bf863cc.pub in its place", own);
  if (!checks.empty()) found.fix += fmt::format(", and change what the step compares: {}", checks);
  if (word.ends_with(".pub") && !is_address(word) && !of.fetched) return;
  const std::string_view raw = of.view.text(span);
  // Of a longer number the beginning would have to change too.
  if (const std::size_t place = raw.find(kOldKey);
      checks.empty() && place != raw.npos && (place == 0 || !is_alphanumeric(raw[place - 1])))
    found.edits.push_back({{span.begin + place, span.begin + place + kOldKey.size()}, "3bf863cc"});
}

const knowledge::OldKeyRow* old_key_of(const FileView& view, const StageView& stage) {
  const std::size_t root = view.dockerfile->lineage(stage.index).back();
  const std::optional<ImageName>& image = view.dockerfile->stages[root].image;
  return image && image->digest.empty()
             ? view.project->knowledge->images.old_key(image->familiar(), image->tag)
             : nullptr;
}

void old_key_fetched(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (const std::string_view text = view.file->source.text();
      !text.contains(kOldKey) && !text.contains(to_upper(kOldKey)))
    return;
  // Beside the new one, or the package that brings it, the old key is idle.
  for (const std::string_view word : {"3bf863cc", "3BF863CC", "cuda-keyring"})
    if (commands_mention(view, stage.index, word)) return;
  const KeyStage of{view,
                    stage,
                    adds_repository(view, stage),
                    commands_mention(view, stage.index, "/machine-learning/repos"),
                    old_key_of(view, stage) != nullptr,
                    fetches_key(*stage.stage)};
  // NVIDIA's repository of its tools is signed with it still.
  if (!of.adds && commands_mention(view, stage.index, "/devtools/repos")) return;
  for (const Instruction& instruction : stage.stage->instructions) {
    if (view.text(instruction.span).contains("/devtools/repos")) continue;
    std::optional<std::string> checks;  // asked once
    for (const ShellCommand& command : instruction.commands) {
      // `apt-key del 7fa2af80` is what NVIDIA's instructions say.
      const bool deletes = std::ranges::any_of(command.words, [](const ShellWord& word) {
        return is_one_of(word.text, {"del", "rm", "remove"});
      });
      if (deletes) continue;
      for (const ShellWord& word : command.words) {
        if (!holds(to_lower(word.text), kOldKey)) continue;
        if (!checks) checks = checks_of(view, instruction);
        judge_old_key(of, word.text, word.span, *checks, sink);
      }
    }
    if (instruction.keyword == Keyword::kAdd)
      for (const Word& word : instruction.words) judge_old_key(of, word.text, word.span, "", sink);
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
                     (command.shell->joined_by == "&&" || &command == &commands.back() ||
                      (step.ends_at_failure && command.shell->joined_by == "\n"))
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
  if (!stage.own_base || !stage.reachable) return;
  const knowledge::OldKeyRow* row = old_key_of(view, stage);
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
        "{}apt-key adv --fetch-keys "
        "https://developer.download.nvidia.com/compute/cuda/repos/{}/x86_64/3bf863cc.pub",
        view.is_definition() ? "" : "RUN ", row->directory);
    if (place == nullptr) place = &step;
    // In a script the line of the command.
    const std::size_t line = view.is_definition() ? update->span.begin : place->span.begin;
    const bool by_root = is_root(steps.find(place)->user);
    found.fix =
        fmt::format("{}; or, {}in front of line {}, {}", row->instead, by_root ? "" : "as root ",
                    view.file->source.position(line).line, fetch);
    if (by_root && update->words.front().text != "sudo")
      if (auto edit = line_above(view.file->source, line, fetch))
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
