#include "lint/shell/reached.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/ascii.h"

namespace flense::lint {

namespace {

bool goes_on(const ShellCommand& command) {
  return is_one_of(command.joined_by, {"&&", "||", "|", "|&"});
}

/// A program that is called for the answer.
bool asks(const ShellCommand& command) {
  if (command.words.empty()) return false;
  return command.words.front().text.starts_with("((") ||
         is_one_of(program_of(command).name,
                   {"test", "[", "[[", "grep", "egrep", "fgrep", "command", "which", "type", "hash",
                    "id", "cmp", "diff", "false", "getent", "lspci", "nvidia-smi"});
}

/// `test … && pip install`, `pip install || pip install`: what follows may not run.
bool decides_about_next(const ShellCommand& command) {
  return command.joined_by == "||" || (command.joined_by == "&&" && asks(command));
}

enum class End : char { kNone, kFailed, kWell };

/// `exit`, `return 0`, `exec bash`; `exit 1`, and `exit $?` behind `||`, end a run as one that
/// failed. Of a subshell or a function they end no more than that.
End end_of(const ShellCommand& command, bool alternative) {
  if (command.in_subshell) return End::kNone;
  if (command.words.size() > 1 && command.words.front().text == "exec") return End::kWell;
  const Program program = program_of(command);
  if (program.name != "exit" && (program.name != "return" || command.in_function))
    return End::kNone;
  // Alone it hands on what was before.
  if (program.first + 1 >= command.words.size()) return alternative ? End::kFailed : End::kWell;
  const std::string& status = command.words[program.first + 1].text;
  const bool failed = all_digits(status) ? status.find_first_not_of('0') != status.npos
                                         : status == "$?" && alternative;
  return failed ? End::kFailed : End::kWell;
}

/// A list of commands as far as it is read.
class List {
 public:
  bool sure() const { return !left_ && !decided_; }

  /// In front of the next command: what the group decides that ended last.
  void end_group() {
    if (const auto* last = std::exchange(group_, nullptr)) join(*last);
  }
  void take(const ShellCommand& command) {
    const End end = end_of(command, alternative_);
    left_ = left_ || end == End::kWell || (end == End::kFailed && !joined_);
    join(command);
  }
  /// Of ( … ) and { … } the last command is joined to what follows, of $( … ) none is.
  void take_inner(const ShellCommand& command) {
    if (!command.joined_by.empty()) group_ = &command;
    left_ = left_ || end_of(command, alternative_) == End::kWell;
    alternative_ = command.joined_by == "||";
  }

 private:
  void join(const ShellCommand& command) {
    joined_ = goes_on(command);
    alternative_ = command.joined_by == "||";
    negated_ = negated_ || command.negated;
    decided_ = joined_ &&
               (decided_ || decides_about_next(command) || (negated_ && command.joined_by == "&&"));
    if (!command.joined_by.starts_with('|') || alternative_) negated_ = false;
  }

  bool decided_ = false;      ///< a test or an alternative decides about what comes next
  bool joined_ = false;       ///< && or || or a pipe stands in front of what comes next
  bool alternative_ = false;  ///< || does
  bool negated_ = false;      ///< the pipe began with `!`
  bool left_ = false;         ///< the text may have ended
  const ShellCommand* group_ = nullptr;
};

/// Of a choice: by a variable, which another build may have otherwise.
bool names_variable(const ShellCommand& command) {
  return std::ranges::any_of(command.words,
                             [](const ShellWord& word) { return word.text.contains('$'); });
}

/// `A && grep -q … && B`, `A || B && C` at the end: where the last one is not reached the whole
/// text has failed.
void reach_last_list(const std::vector<ShellCommand>& commands, std::vector<bool>& reached) {
  const auto joins = [&](std::size_t at, bool alternatives) {
    const ShellCommand& one = commands[at];
    return one.within == 0 && one.depth == 0 &&
           (at + 1 == commands.size() || one.joined_by == "&&" || one.joined_by == "|" ||
            (alternatives && one.joined_by == "||"));
  };
  std::size_t last = commands.size();  // from here on no alternative follows
  while (last > 0 && joins(last - 1, false)) --last;
  std::size_t first = last;
  while (first > 0 && joins(first - 1, true)) --first;
  if (last == commands.size() || !reached[first]) return;
  bool varies = false;
  for (std::size_t at = first; at < commands.size(); ++at) {
    if (at > last) reached[at] = true;
    varies = varies || names_variable(commands[at]);
    if (end_of(commands[at], false) != End::kNone || (varies && asks(commands[at]))) return;
  }
}

}  // namespace

std::vector<bool> surely_reached(const std::vector<ShellCommand>& commands) {
  std::vector<bool> out;
  out.reserve(commands.size());
  List outer, text;           // the text of the last sh -c
  bool carrier_sure = false;  // that command is reached
  for (const ShellCommand& command : commands) {
    List& list = command.within == 0 ? outer : text;
    const bool beside = command.depth == (command.within == 0 ? 0u : 1u);
    if (beside) list.end_group();
    out.push_back(beside && list.sure() && (command.within == 0 || carrier_sure));
    if (!beside) {
      list.take_inner(command);
      continue;
    }
    list.take(command);
    if (command.within != 0) continue;
    carrier_sure = out.back();
    text = {};
  }
  reach_last_list(commands, out);
  return out;
}

}  // namespace flense::lint
