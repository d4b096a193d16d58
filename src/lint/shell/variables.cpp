#include "lint/shell/variables.h"

#include <utility>

#include "base/ascii.h"

namespace flense::lint {

namespace {

/// Longer ones no rule looks into, and each may hold the one before it twice.
constexpr std::size_t kLongest = 4096;

}  // namespace

void ShellVariables::assign(std::string_view name, std::string_view text, bool dynamic, bool sure) {
  if (values_ != &own_) {
    own_ = *values_;
    values_ = &own_;
  }
  auto known = sure && text.size() <= kLongest
                   ? (dynamic ? expand(text, own_) : std::optional(std::string(text)))
                   : std::nullopt;
  if (known && known->size() > kLongest) known.reset();
  own_[std::string(name)] = std::move(known);
}

/// Behind `test … && A=1;` nobody knows A.
void ShellVariables::end_list() {
  for (const std::string& name : unsure_) assign(name, {}, false, false);
  unsure_.clear();
}

void ShellVariables::take(const ShellCommand& command) {
  const bool behind = before_ == "&&";
  const bool sure = command.depth == 0 && command.joined_by != "|" && command.joined_by != "&" &&
                    before_ != "||" && before_ != "|";
  const auto set = [&](std::string_view name, std::string_view text, bool dynamic) {
    assign(name, text, dynamic, sure);
    if (behind && sure) unsure_.emplace_back(name);
    assigned_.emplace_back(name);
  };
  if (command.words.empty()) {
    for (const ShellAssignment& one : command.assignments)
      set(one.name, one.value.text, one.value.dynamic);
  } else if (const std::string& program = command.words.front().text;
             is_one_of(program, {"export", "declare", "typeset", "readonly", "local"})) {
    for (const ShellWord& word : command.words)
      if (const std::size_t equals = word.text.find('='); equals != word.text.npos && equals > 0)
        set(word.text.substr(0, equals), std::string_view(word.text).substr(equals + 1),
            word.dynamic);
  } else if (is_one_of(program, {".", "source", "eval"})) {
    // Whatever was assigned here it may assign anew.
    for (const std::string& name : std::exchange(assigned_, {})) assign(name, {}, false, false);
  } else if (is_one_of(program, {"for", "select"}) && command.words.size() > 1) {
    assign(command.words[1].text, {}, false, false);
  } else if (is_one_of(program, {"read", "unset", "mapfile"}) ||
             (program == "printf" && command.words.size() > 1 && command.words[1].text == "-v")) {
    for (const ShellWord& word : command.words)
      if (&word != &command.words.front() && !word.text.starts_with('-'))
        assign(word.text, {}, false, false);
  }
  // What stands within ( … ), $( … ) and if joins nothing of the list around it.
  if (command.depth > 0) return;
  before_ = command.joined_by;
  if (before_ != "&&") end_list();
}

}  // namespace flense::lint
